// An admission hook: objects must have the label that `spec.config.require` names.

import { get } from "coracle:plugin/config@1.1.0";
import type { Notes, Request } from "coracle:plugin/admission-types@1.1.0";
import type { Verdict } from "coracle:plugin/validate@1.1.0";

/** What is read of an object. */
interface Labelled {
  metadata: { labels?: Record<string, string> };
}

const notes: Notes = { warnings: [], auditAnnotations: [] };

export const validate = {
  validate({ object }: Request): Verdict {
    const label = get("require")!;
    // What is deleted has no object.
    if (object == null || label in ((JSON.parse(object) as Labelled).metadata.labels ?? {})) {
      return { tag: "allow", val: notes };
    }
    const message = `the label ${label} is required`;
    const causes = [{ field: `metadata.labels[${label}]`, message: "is required" }];
    return { tag: "deny", val: { code: 0, reason: "", message, causes, notes } };
  },
};

export const settings = {
  check(config: string): void {
    const { require } = JSON.parse(config) as { require?: unknown };
    if (typeof require !== "string") throw ["config.require must be the name of a label"];
  },
};
