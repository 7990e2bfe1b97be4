/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as settings of systemd, and as the manifest of protect. In: libFuzzer's bytes. Out: nothing.
 * Always true, or the run stops: keys and values end within their bounds, and bear no line ends; a manifest
 * that is taken names no more than its tables hold, and options that hold nothing but options. The settings
 * are followed by no NUL, so that a read past them is seen.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/offline/protect_conf.h"
#include "agent/offline/protect_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void take(void *arg, const char *file, const char *section, const char *key, const char *value)
{
    size_t *count = arg;

    must(strcmp(file, "file") == 0);
    must(strlen(section) < LB_PROTECT_VALUE && strlen(value) < LB_PROTECT_VALUE);
    must(!strchr(section, '\n') && !strchr(key, '\n') && !strchr(value, '\n'));
    must(!strchr(key, '='));
    ++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char first[] = "logboom protect 1\n";
    struct lb_protect_manifest manifest;
    char *text = malloc(sizeof first + size);
    size_t count = 0;

    lb_protect_conf_parse((const char *)data, size, "file", take, &count);
    must(count <= size / 2);
    must(text != NULL);
    memcpy(text, first, sizeof first - 1);
    memcpy(text + sizeof first - 1, data, size);
    text[sizeof first - 1 + size] = '\0';
    if (lb_protect_manifest_parse(text, &manifest) == 0) {
        must(manifest.befores <= LB_PROTECT_REMOUNTS && manifest.swappiness <= 200);
        for (size_t i = 0; i < manifest.befores; i++)
            must(manifest.before[i].point[0] == '/' && !strpbrk(manifest.before[i].before, " ;\n"));
        for (int i = 0; i < LB_PROTECT_FILES; i++)
            must(manifest.file[i].versions <= LB_PROTECT_VERSIONS);
    }
    free(text);
    return 0;
}
