// Package export_coracle_plugin_node_table keeps what the filter needs to know of the nodes.
package export_coracle_plugin_node_table

import (
	"slices"

	"wit_component/coracle_plugin_config"
	table "wit_component/coracle_plugin_node_table"
	types "wit_component/coracle_plugin_schedule_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// By the node's number: whether it has the label.
var has []bool

// Required is the label that `spec.config.require` names.
func Required() (string, bool) {
	setting := coracle_plugin_config.Get("require")
	if setting.IsNone() {
		return "", false
	}
	return setting.Some(), true
}

// Lacks tells whether the node is known to be without the label.
func Lacks(node uint32) bool {
	return int(node) < len(has) && !has[node]
}

// Sync brings the table up to date.
func Sync(delta table.Delta) wit.Result[wit.Unit, string] {
	label, any := Required()
	now := make([]bool, delta.Length)
	copy(now, has)
	for _, node := range delta.Upserts {
		isIt := func(entry types.Entry) bool { return entry.Key == label }
		now[node.Number] = !any || slices.ContainsFunc(node.Labels, isIt)
	}
	has = now
	return wit.Ok[wit.Unit, string](wit.Unit{})
}
