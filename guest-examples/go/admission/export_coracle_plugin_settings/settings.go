// Package export_coracle_plugin_settings judges the plugin's settings when it is loaded.
package export_coracle_plugin_settings

import (
	"encoding/json"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Check gets `spec.config` as JSON.
func Check(config string) wit.Result[wit.Unit, []string] {
	var settings struct {
		Require *string `json:"require"`
	}
	if json.Unmarshal([]byte(config), &settings) != nil || settings.Require == nil {
		return wit.Err[wit.Unit, []string]([]string{"config.require must be the name of a label"})
	}
	return wit.Ok[wit.Unit, []string](wit.Unit{})
}
