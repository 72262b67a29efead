// An admission hook: objects must have the label that `spec.config.require` names.

import { get } from "coracle:plugin/config@1.1.0";

const notes = { warnings: [], auditAnnotations: [] };

export const validate = {
  validate({ object }) {
    const label = get("require");
    // What is deleted has no object.
    if (object == null || label in (JSON.parse(object).metadata.labels ?? {})) {
      return { tag: "allow", val: notes };
    }
    const message = `the label ${label} is required`;
    const causes = [{ field: `metadata.labels[${label}]`, message: "is required" }];
    return { tag: "deny", val: { code: 0, reason: "", message, causes, notes } };
  },
};

export const settings = {
  check(config) {
    if (typeof JSON.parse(config).require !== "string") throw ["config.require must be the name of a label"];
  },
};
