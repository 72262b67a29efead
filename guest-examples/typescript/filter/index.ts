// A scheduler filter: refuses nodes without the label that `spec.config.require` names.

import { get } from "coracle:plugin/config@1.1.0";
import type { Reason, Verdicts } from "coracle:plugin/filter@1.1.0";
import type { Pod } from "coracle:plugin/schedule-types@1.1.0";
import type { Delta } from "coracle:plugin/node-table@1.1.0";

const label = (): string | undefined => get("require");

/** By the node's number: whether it has the label. */
let has: boolean[] = [];

export const nodeTable = {
  sync({ full, length, upserts }: Delta): void {
    if (full) has = [];
    has.length = length;
    const wanted = label();
    for (const node of upserts) {
      has[node.number] = wanted == null || node.labels.some(({ key }) => key === wanted);
    }
  },
};

export const filter = {
  filter(_pod: Pod, candidates: Uint32Array): Verdicts {
    const passed = new Uint8Array(Math.ceil(candidates.length / 8));
    let all = true;
    candidates.forEach((node, place) => {
      if (has[node]) passed[place >> 3] |= 1 << (place & 7);
      else all = false;
    });
    // No other pod can give a node a label. One reason is that of all: no codes.
    const reason: Reason = { code: "unschedulable-and-unresolvable", text: `node(s) lacked the label ${label()}` };
    return { passed, reasons: all ? [] : [reason], codes: new Uint8Array() };
  },
};
