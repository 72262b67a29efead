// A scheduler filter: refuses nodes without the label that `spec.config.require` names.

#include "scheduler_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef scheduler_filter_string_t string;

// By the node's number: whether it has the label.
static bool *has;
static size_t length;

static bool equal(string a, string b) {
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static bool has_label(coracle_plugin_schedule_types_list_entry_t labels, string key) {
    for (size_t i = 0; i < labels.len; i++)
        if (equal(labels.ptr[i].key, key)) return true;
    return false;
}

// The setting, which the caller frees.
static bool required(string *label) {
    string key;
    scheduler_filter_string_set(&key, "require");
    return coracle_plugin_config_get(&key, label);
}

bool exports_coracle_plugin_node_table_sync(exports_coracle_plugin_node_table_delta_t *delta, string *error) {
    string label = {0};
    bool any = required(&label);
    if (delta->length > length) {
        bool *more = realloc(has, delta->length);
        if (more == NULL) {
            scheduler_filter_string_dup(error, "no memory for the node table");
            return false;
        }
        has = more;
    }
    length = delta->length;
    for (size_t i = 0; i < delta->upserts.len; i++) {
        coracle_plugin_schedule_types_node_t *node = &delta->upserts.ptr[i];
        if (node->number < length) has[node->number] = !any || has_label(node->labels, label);
    }
    scheduler_filter_string_free(&label);
    exports_coracle_plugin_node_table_delta_free(delta);
    return true;
}

bool exports_coracle_plugin_filter_filter(exports_coracle_plugin_filter_pod_t *pod, scheduler_filter_list_u32_t *candidates,
                                          exports_coracle_plugin_filter_verdicts_t *verdicts, string *error) {
    // Empty lists: all pass. Lists that are returned are freed by the generated code.
    memset(verdicts, 0, sizeof *verdicts);
    verdicts->passed.len = (candidates->len + 7) / 8;
    verdicts->passed.ptr = calloc(verdicts->passed.len + 1, 1);
    bool all = true;
    for (size_t i = 0; i < candidates->len; i++) {
        uint32_t node = candidates->ptr[i];
        if (node < length && has[node])
            verdicts->passed.ptr[i / 8] |= (uint8_t)(1 << (i % 8));
        else
            all = false;
    }
    if (!all) {
        string label = {0};
        required(&label);
        char text[256];
        int n = snprintf(text, sizeof text, "node(s) lacked the label %.*s", (int)label.len, (const char *)label.ptr);
        verdicts->reasons.len = 1;
        verdicts->reasons.ptr = malloc(sizeof *verdicts->reasons.ptr);
        // No other pod can give a node a label.
        verdicts->reasons.ptr->code = EXPORTS_CORACLE_PLUGIN_FILTER_CODE_UNSCHEDULABLE_AND_UNRESOLVABLE;
        scheduler_filter_string_dup_n(&verdicts->reasons.ptr->text, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
        scheduler_filter_string_free(&label);
    }
    exports_coracle_plugin_filter_pod_free(pod);
    scheduler_filter_list_u32_free(candidates);
    return true;
}
