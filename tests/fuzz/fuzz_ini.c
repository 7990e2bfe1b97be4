/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an INI file. In: libFuzzer's bytes. Out: nothing. Always true,
 * or the run stops: each line is told at most once, in order, within its
 * bounds. The data is followed by no NUL, so that a read past it is seen.
 *
 *   clang -fsanitize=fuzzer,address -I. -D_GNU_SOURCE tests/fuzz/fuzz_ini.c common/ini_read.c -linih
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/ini_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take_line(void *arg, const struct lb_ini_line *line)
{
    int *last = arg;

    if (line->line <= *last || strlen(line->section) > LB_INI_SECTION_MAX ||
        (line->key && line->key[0] == '\0'))
        abort();
    if (line->key && (strlen(line->key) > LB_INI_KEY_MAX || strlen(line->value) > LB_VALUE_MAX))
        abort();
    *last = line->line;
    return 0;
}

static void take_fault(void *arg, int line, const char *text)
{
    int *last = arg;

    if (line <= *last || text[0] == '\0')
        abort();
    *last = line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int last = 0;

    if (lb_ini_read((const char *)data, size, take_line, take_fault, &last) != 0)
        abort();
    return 0;
}
