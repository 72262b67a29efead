#include "json.h"

#include <stdbool.h>
#include <string.h>

static const text NONE = {NULL, 0};

static size_t skip_space(text t, size_t i) {
    while (i < t.len && strchr(" \t\r\n", t.at[i]) != NULL) i++;
    return i;
}

// Behind the string that begins at `i`.
static size_t skip_string(text t, size_t i) {
    for (i++; i < t.len && t.at[i] != '"'; i++)
        if (t.at[i] == '\\') i++;
    return i + 1;
}

// Behind the value that begins at `i`: brackets are counted, those in strings are not.
static size_t skip_value(text t, size_t i) {
    int depth = 0;
    while (i < t.len) {
        char c = t.at[i];
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) return i;
        if (c == '"') {
            i = skip_string(t, i);
            continue;
        }
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
        i++;
    }
    return t.len;
}

text json_member(text object, text key) {
    if (object.at == NULL) return NONE;
    size_t i = skip_space(object, 0);
    if (i >= object.len || object.at[i] != '{') return NONE;
    i = skip_space(object, i + 1);
    while (i < object.len && object.at[i] == '"') {
        size_t end = skip_string(object, i);
        bool is_it = end - i - 2 == key.len && memcmp(object.at + i + 1, key.at, key.len) == 0;
        i = skip_space(object, end);
        if (i >= object.len || object.at[i] != ':') return NONE;
        i = skip_space(object, i + 1);
        end = skip_value(object, i);
        if (is_it) return (text){object.at + i, end - i};
        i = end < object.len && object.at[end] == ',' ? skip_space(object, end + 1) : object.len;
    }
    return NONE;
}
