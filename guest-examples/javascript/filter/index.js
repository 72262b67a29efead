// A scheduler filter: refuses nodes without the label that `spec.config.require` names.

import { get } from "coracle:plugin/config@1.1.0";

const label = () => get("require");

/** By the node's number: whether it has the label. */
let has = [];

export const nodeTable = {
  sync({ full, length, upserts }) {
    if (full) has = [];
    has.length = length;
    const wanted = label();
    for (const node of upserts) {
      has[node.number] = wanted == null || node.labels.some(({ key }) => key === wanted);
    }
  },
};

export const filter = {
  filter(_pod, candidates) {
    const passed = new Uint8Array(Math.ceil(candidates.length / 8));
    let all = true;
    candidates.forEach((node, place) => {
      if (has[node]) passed[place >> 3] |= 1 << (place & 7);
      else all = false;
    });
    // No other pod can give a node a label. One reason is that of all: no codes.
    const reason = { code: "unschedulable-and-unresolvable", text: `node(s) lacked the label ${label()}` };
    return { passed, reasons: all ? [] : [reason], codes: new Uint8Array() };
  },
};
