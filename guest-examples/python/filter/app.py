"""A scheduler filter: refuses nodes without the label that `spec.config.require` names."""

from typing import List

from wit_world import exports
from wit_world.exports.filter import Code, Reason, Verdicts
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
    def filter(self, pod: Pod, candidates: List[int]) -> Verdicts:
        passed = bytearray((len(candidates) + 7) // 8)
        for place, node in enumerate(candidates):
            if has[node]:
                passed[place // 8] |= 1 << place % 8
        if all(has[node] for node in candidates):
            return Verdicts(bytes(passed), [], b"")
        # No other pod can give a node a label. One reason is that of all: no codes.
        text = f"node(s) lacked the label {config.get('require')}"
        return Verdicts(bytes(passed), [Reason(Code.UNSCHEDULABLE_AND_UNRESOLVABLE, text)], b"")
