// A scheduler filter: refuses nodes without the label that `spec.config.require` names.

import { get } from "coracle:plugin/config@0.1.0";

const label = () => get("require");

/** By the node's number: whether it has the label. */
let has = [];

export const nodeTable = {
  sync({ full, length, upserts }) {
    if (full) has = [];
    has.length = length;
    const wanted = label();
    for (const node of upserts) {
      has[node.number] = wanted === undefined || node.labels.some(({ key }) => key === wanted);
    }
  },
};

export const filter = {
  filter(_pod, candidates) {
    const nodes = Array.from(candidates).filter((node) => !has[node]).map((node) => ({ node, reason: 0 }));
    // No other pod can give a node a label.
    const reason = { code: "unschedulable-and-unresolvable", text: `node(s) lacked the label ${label()}` };
    return { reasons: nodes.length > 0 ? [reason] : [], nodes };
  },
};
