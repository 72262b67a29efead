// An admission hook: objects must have the label that `spec.config.require` names.

#include "admission_validate.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef admission_validate_string_t string;

// The setting, which the caller frees.
static bool required(string *label) {
    string key;
    admission_validate_string_set(&key, "require");
    return coracle_plugin_config_get(&key, label);
}

bool exports_coracle_plugin_validate_validate(exports_coracle_plugin_validate_request_t *request,
                                              exports_coracle_plugin_validate_verdict_t *verdict, string *error) {
    memset(verdict, 0, sizeof *verdict);
    verdict->tag = EXPORTS_CORACLE_PLUGIN_VALIDATE_VERDICT_ALLOW;
    string label = {0};
    // What is deleted has no object.
    if (request->object.is_some && required(&label)) {
        text json = {(const char *)request->object.val.ptr, request->object.val.len};
        text labels = json_member(json_member(json, (text){"metadata", 8}), (text){"labels", 6});
        if (json_member(labels, (text){(const char *)label.ptr, label.len}).at == NULL) {
            char message[512];
            snprintf(message, sizeof message, "the label %.*s is required", (int)label.len, (const char *)label.ptr);
            verdict->tag = EXPORTS_CORACLE_PLUGIN_VALIDATE_VERDICT_DENY;
            admission_validate_string_dup(&verdict->val.deny.message, message);
        }
        admission_validate_string_free(&label);
    }
    exports_coracle_plugin_validate_request_free(request);
    return true;
}

bool exports_coracle_plugin_settings_check(string *config, admission_validate_list_string_t *wrong) {
    text require = json_member((text){(const char *)config->ptr, config->len}, (text){"require", 7});
    bool good = require.at != NULL && *require.at == '"';
    if (!good) {
        wrong->ptr = malloc(sizeof *wrong->ptr);
        wrong->len = 1;
        admission_validate_string_dup(wrong->ptr, "config.require must be the name of a label");
    }
    admission_validate_string_free(config);
    return good;
}
