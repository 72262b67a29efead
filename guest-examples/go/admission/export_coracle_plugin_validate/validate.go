// Package export_coracle_plugin_validate is an admission hook: objects must have the label that `spec.config.require` names.
package export_coracle_plugin_validate

import (
	"encoding/json"

	types "wit_component/coracle_plugin_admission_types"
	"wit_component/coracle_plugin_config"
	validate "wit_component/coracle_plugin_validate"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// What is read of an object.
type labelled struct {
	Metadata struct {
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
}

// Validate is called once per request that the plugin's rules select.
func Validate(request validate.Request) wit.Result[validate.Verdict, string] {
	allow := wit.Ok[validate.Verdict, string](validate.MakeVerdictAllow(types.Notes{}))
	// What is deleted has no object.
	if request.Object.IsNone() {
		return allow
	}
	var object labelled
	if err := json.Unmarshal([]byte(request.Object.Some()), &object); err != nil {
		return wit.Err[validate.Verdict, string](err.Error())
	}
	label := coracle_plugin_config.Get("require").SomeOr("")
	if _, there := object.Metadata.Labels[label]; there {
		return allow
	}
	cause := types.Cause{Field: "metadata.labels[" + label + "]", Message: "is required"}
	denial := types.Denial{Message: "the label " + label + " is required", Causes: []types.Cause{cause}}
	return wit.Ok[validate.Verdict, string](validate.MakeVerdictDeny(denial))
}
