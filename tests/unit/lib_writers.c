/* SPDX-License-Identifier: MIT */
/* Writers in a tree of our making. In: what disks count. Out: a view, checked. */
#include "tests/unit/lib_writers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_proc.h"

struct looks looks;

static void add_disk(const char *name, unsigned maj)
{
    struct lb_disk *disk = &looks.disks.disk[looks.disks.count++];

    snprintf(disk->name, sizeof disk->name, "%s", name);
    disk->is_present = true;
    disk->medium = maj;
    proc_disk(maj, name);
}

int looks_begin(void **state)
{
    memset(&looks, 0, sizeof looks);
    looks.now_ns = 3600 * 1000000000ull;
    looks.writers = lb_writers_new();
    if (!looks.writers || proc_make(state) != 0)
        return -1;
    looks.disks.are_all = true;
    add_disk("card", 8);
    add_disk("stick", 9);
    proc_print("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/root rw\n");
    return 0;
}

int looks_end(void **state)
{
    lb_writers_free(looks.writers);
    return proc_remove(state);
}

/* What all programs have by now never exceeds what they had and what was counted. */
static void check(const uint64_t before[LB_WEAR_DISKS])
{
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++) {
        uint64_t delta = 0, all = 0;

        for (uint32_t p = 0; p < looks.view.programs; p++) {
            delta += looks.view.program[p].delta_bytes[d];
            all += looks.view.program[p].bytes[d];
        }
        assert_true(delta <= looks.disks.disk[d].delta_bytes);
        assert_int_equal(all, before[d] + delta);
    }
}

int look_after(unsigned seconds, uint64_t card_bytes, uint64_t stick_bytes)
{
    uint64_t before[LB_WEAR_DISKS] = { 0 };
    int rc;

    for (uint32_t p = 0; p < looks.view.programs; p++)
        for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
            before[d] += looks.view.program[p].bytes[d];
    looks.now_ns += seconds * 1000000000ull;
    looks.disks.disk[CARD].delta_bytes = card_bytes;
    looks.disks.disk[STICK].delta_bytes = stick_bytes;
    rc = lb_writers_sample(looks.writers, proc_root, &looks.disks, OWN_PID, looks.now_ns);
    lb_writers_view(looks.writers, &looks.view, looks.moved);
    check(before);
    return rc;
}

int look(uint64_t card_bytes, uint64_t stick_bytes)
{
    return look_after(60, card_bytes, stick_bytes);
}

const struct lb_program *program(const char *name, const char *unit)
{
    for (uint32_t p = 0; p < looks.view.programs; p++)
        if (strcmp(looks.view.program[p].name, name) == 0 && strcmp(looks.view.program[p].unit, unit) == 0)
            return &looks.view.program[p];
    return NULL;
}

uint64_t given(const char *name, unsigned disk)
{
    const struct lb_program *found = program(name, "");

    return found ? found->bytes[disk] : 0;
}
