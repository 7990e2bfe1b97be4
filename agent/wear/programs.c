/* SPDX-License-Identifier: MIT */
/*
 * Programs that write. In: names, units, bytes. Out: a place for each. Always true: bytes are never lost,
 * they go with their program or to "others"; what merged is told, so that who keeps figures by place can
 * follow.
 */
#include "agent/wear/programs.h"

#include <stdio.h>
#include <string.h>

#define FADE_NS (3600 * 1000000000ull)
#define FADE    24 /* of the weight goes in an hour: what was written a day ago weighs a third */

void lb_programs_begin(struct lb_programs *programs, uint64_t now_ns)
{
    if (programs->faded_ns == 0)
        programs->faded_ns = now_ns;
    if (now_ns >= programs->faded_ns + FADE_NS) {
        for (uint32_t i = 0; i < programs->count; i++)
            programs->weight[i] -= (programs->weight[i] + FADE - 1) / FADE;
        programs->faded_ns = now_ns;
    }
    for (uint32_t i = 0; i < LB_WEAR_PROGRAMS; i++)
        programs->moved[i] = i < programs->count ? i : LB_WEAR_NO_PROGRAM;
}

uint32_t lb_programs_find(const struct lb_programs *programs, const char *name, const char *unit)
{
    for (uint32_t i = 0; i < programs->count && i < LB_PROGRAMS_OTHERS; i++)
        if (strcmp(programs->at[i].name, name) == 0 && strcmp(programs->at[i].unit, unit) == 0)
            return i;
    return LB_WEAR_NO_PROGRAM;
}

static void name_it(struct lb_programs *programs, uint32_t i, const char *name, const char *unit)
{
    programs->at[i] = (struct lb_program) { 0 };
    programs->weight[i] = 0;
    programs->disks[i] = 0;
    programs->disks_ns[i] = 0;
    snprintf(programs->at[i].name, sizeof programs->at[i].name, "%.*s", LB_WEAR_NAME - 1, name);
    snprintf(programs->at[i].unit, sizeof programs->at[i].unit, "%.*s", LB_WEAR_UNIT - 1, unit);
}

static uint32_t lightest(const struct lb_programs *programs)
{
    uint32_t found = LB_WEAR_NO_PROGRAM;

    for (uint32_t i = 0; i < LB_PROGRAMS_OTHERS; i++)
        if (!programs->at[i].is_ours &&
            (found == LB_WEAR_NO_PROGRAM || programs->weight[i] < programs->weight[found]))
            found = i;
    return found;
}

static void merge(struct lb_programs *programs, uint32_t from)
{
    struct lb_program *others = &programs->at[LB_PROGRAMS_OTHERS];

    for (unsigned d = 0; d < LB_WEAR_DISKS; d++) {
        others->bytes[d] += programs->at[from].bytes[d];
        others->delta_bytes[d] += programs->at[from].delta_bytes[d];
    }
    /* One that took its place during this look was in no view: what is told is where the one before went. */
    if (programs->moved[from] == from)
        programs->moved[from] = LB_PROGRAMS_OTHERS;
}

/* A place for a program that has none yet. */
static uint32_t make_room(struct lb_programs *programs, bool is_ours, uint64_t bytes, uint32_t *ret_merged)
{
    uint32_t place;

    if (programs->count < LB_PROGRAMS_OTHERS)
        return programs->count++;
    if (programs->count == LB_PROGRAMS_OTHERS) {
        name_it(programs, LB_PROGRAMS_OTHERS, "others", "");
        programs->count++;
    }
    place = lightest(programs);
    if (place == LB_WEAR_NO_PROGRAM || (!is_ours && programs->weight[place] >= bytes))
        return LB_PROGRAMS_OTHERS;
    merge(programs, place);
    *ret_merged = place;
    return place;
}

uint32_t lb_programs_take(struct lb_programs *programs, const char *name, const char *unit, bool is_ours,
                          uint64_t bytes, uint32_t *ret_merged)
{
    uint32_t place = lb_programs_find(programs, name, unit);

    *ret_merged = LB_WEAR_NO_PROGRAM;
    if (place == LB_WEAR_NO_PROGRAM) {
        place = make_room(programs, is_ours, bytes, ret_merged);
        if (place != LB_PROGRAMS_OTHERS)
            name_it(programs, place, name, unit);
    }
    if (place != LB_PROGRAMS_OTHERS)
        programs->at[place].is_ours |= is_ours;
    if (__builtin_add_overflow(programs->weight[place], bytes, &programs->weight[place]))
        programs->weight[place] = UINT64_MAX;
    return place;
}

uint32_t lb_programs_disks(struct lb_programs *programs, uint32_t program, uint32_t disks, uint64_t now_ns)
{
    if (program == LB_PROGRAMS_OTHERS)
        return disks; /* what one of them has open tells nothing of the next */
    if (disks != 0) {
        /* Of several processes all count; of looks the last. */
        programs->disks[program] =
            disks | (programs->disks_ns[program] == now_ns ? programs->disks[program] : 0);
        programs->disks_ns[program] = now_ns;
        return disks;
    }
    return programs->disks[program];
}

void lb_programs_pay(struct lb_programs *programs, uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS])
{
    for (uint32_t i = 0; i < programs->count; i++)
        for (unsigned d = 0; d < LB_WEAR_DISKS; d++) {
            programs->at[i].delta_bytes[d] = shares[i][d];
            programs->at[i].bytes[d] += shares[i][d];
        }
}

void lb_programs_forget_disk(struct lb_programs *programs, uint32_t disk)
{
    for (uint32_t i = 0; i < programs->count; i++) {
        programs->at[i].bytes[disk] = programs->at[i].delta_bytes[disk] = 0;
        programs->disks[i] &= ~(1u << disk);
    }
}
