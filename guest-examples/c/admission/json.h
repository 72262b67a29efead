// As much of JSON as it takes to find a member of an object.

#include <stddef.h>

typedef struct {
    const char *at;
    size_t len;
} text;

// The value of `key` in `object`, as text; {NULL, 0} where there is none, or no object. Keys with escapes are not found.
text json_member(text object, text key);
