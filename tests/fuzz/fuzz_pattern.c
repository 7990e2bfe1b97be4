/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a line: its pattern. In: libFuzzer's bytes. Out: nothing. Always true, or the run stops: the
 * number is never 0, and the same from memory; digits that change change nothing; a template fits where it is
 * written, shows no digit and no control character, and is the same where there is more room.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shape/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_template(const char *text, size_t size, char *made, size_t room)
{
    static char whole[8 * LB_PATTERN_LOOK_MAX]; /* a class is longer than what it masks */
    size_t len = lb_pattern_template(text, size, made, room),
           all = lb_pattern_template(text, size, whole, sizeof whole);

    must(len <= room && len <= all && memcmp(made, whole, len) == 0);
    for (size_t i = 0; i < all; i++)
        must((unsigned char)whole[i] >= ' ' && whole[i] != 0x7f && !(whole[i] >= '0' && whole[i] <= '9'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lb_pattern_memo memo;
    char *copy = malloc(size ? size : 1), *made;
    size_t room = size > 0 ? data[0] : 7;
    uint64_t id;

    memcpy(copy, data, size);
    id = lb_pattern_id(copy, size);
    must(id != 0 && lb_pattern_id_by_memo(&memo, copy, size, true) == id);
    made = malloc(room ? room : 1);
    check_template(copy, size, made, room);
    for (size_t i = 0; i < size; i++)
        if (copy[i] >= '0' && copy[i] <= '9')
            copy[i] = (char)('0' + (copy[i] * 7 + 3) % 10);
    must(lb_pattern_id(copy, size) == id);
    must(lb_pattern_id_by_memo(&memo, copy, size, true) == id);
    free(made);
    free(copy);
    return 0;
}
