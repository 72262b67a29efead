"""An admission hook: objects must have the label that `spec.config.require` names."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.validate import Verdict, Verdict_Allow, Verdict_Deny
from wit_world.imports import config
from wit_world.imports.admission_types import Cause, Denial, Notes, Request


class Validate(exports.Validate):
    def validate(self, request: Request) -> Verdict:
        label = config.get("require")
        # What is deleted has no object.
        if request.object is None or label in json.loads(request.object)["metadata"].get("labels", {}):
            return Verdict_Allow(Notes([], []))
        causes = [Cause(f"metadata.labels[{label}]", "is required")]
        return Verdict_Deny(Denial(0, "", f"the label {label} is required", causes, Notes([], [])))


class Settings(exports.Settings):
    def check(self, settings: str) -> None:
        if not isinstance(json.loads(settings).get("require"), str):
            raise Err(["config.require must be the name of a label"])
