// Counts the lines of the files that it is given, as `wc -l` does.

#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        if (file == NULL) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
            failed = 1;
            continue;
        }
        unsigned long lines = 0;
        for (int c; (c = getc(file)) != EOF;)
            if (c == '\n') lines++;
        fclose(file);
        printf("%lu lines in %s\n", lines, argv[i]);
    }
    return failed;
}
