// A scheduler filter: refuses nodes without the label that `spec.config.require` names.

import { get } from "coracle:plugin/config@0.1.0";
import type { Reason, Refusals } from "coracle:plugin/filter@0.1.0";
import type { Pod } from "coracle:plugin/schedule-types@0.1.0";
import type { Delta } from "coracle:plugin/node-table@0.1.0";

const label = (): string | undefined => get("require");

/** By the node's number: whether it has the label. */
let has: boolean[] = [];

export const nodeTable = {
  sync({ full, length, upserts }: Delta): void {
    if (full) has = [];
    has.length = length;
    const wanted = label();
    for (const node of upserts) {
      has[node.number] = wanted === undefined || node.labels.some(({ key }) => key === wanted);
    }
  },
};

export const filter = {
  filter(_pod: Pod, candidates: Uint32Array): Refusals {
    const nodes = Array.from(candidates).filter((node) => !has[node]).map((node) => ({ node, reason: 0 }));
    // No other pod can give a node a label.
    const reason: Reason = { code: "unschedulable-and-unresolvable", text: `node(s) lacked the label ${label()}` };
    return { reasons: nodes.length > 0 ? [reason] : [], nodes };
  },
};
