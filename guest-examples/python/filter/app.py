"""A scheduler filter: refuses nodes without the label that `spec.config.require` names."""

from typing import List

from wit_world import exports
from wit_world.exports.filter import Code, Reason, Refusal, Refusals
from wit_world.exports.node_table import Delta
from wit_world.imports import config
from wit_world.imports.schedule_types import Pod

# By the node's number: whether it has the label.
has: List[bool] = []


class NodeTable(exports.NodeTable):
    def sync(self, delta: Delta) -> None:
        if delta.full:
            has.clear()
        del has[delta.length :]
        has.extend([False] * (delta.length - len(has)))
        label = config.get("require")
        for node in delta.upserts:
            has[node.number] = label is None or any(entry.key == label for entry in node.labels)


class Filter(exports.Filter):
    def filter(self, pod: Pod, candidates: List[int]) -> Refusals:
        nodes = [Refusal(node, 0) for node in candidates if not has[node]]
        if not nodes:
            return Refusals([], [])
        # No other pod can give a node a label.
        text = f"node(s) lacked the label {config.get('require')}"
        return Refusals([Reason(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, text)], nodes)
