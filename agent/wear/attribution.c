/* SPDX-License-Identifier: MIT */
/*
 * Who pays for a disk's bytes. In: what programs dirtied, what disks counted. Out: shares, and a rest. Always
 * true: shares and rest of a disk add up to what it counted, to the byte.
 *
 * Why the old is paid first: the kernel writes pages in the order in which they became dirty. Why the known
 * is paid before the unknown: a build on a disk that is not watched may dirty more than all others, and only
 * chance tells it from who writes to this disk; who is not known loses little by it, as a disk mostly counts
 * more than what became dirty. Why kernel threads come last: what they dirty others caused, and one that
 * serves a loop device dirties the same bytes once more, on the disk below. Why a rest: a file system's
 * journal and its tables are nobody's, and small synced writes cost the disk five to thirty times of what a
 * process is said to have dirtied (facts/storage.md 2).
 */
#include "agent/wear/attribution.h"

#include <stdbool.h>
#include <string.h>

/* A minute, less what a look may come early: at a look each minute, each look ages. */
#define GENERATION_NS (55 * 1000000000ull)
#define ALL_DISKS     ((1u << LB_WEAR_DISKS) - 1)

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* whole * part / of, where part <= of. 128 bits are not to be had on armhf; a double is exact below 2^53 */
static uint64_t proportion(uint64_t whole, uint64_t part, uint64_t of)
{
    if (part == of)
        return whole;
    return least((uint64_t)((double)whole * ((double)part / (double)of)), whole);
}

void lb_attribution_add(struct lb_attribution *attribution, uint32_t program, uint32_t disks, uint64_t bytes)
{
    struct lb_waiting *waiting = &attribution->fresh[program];
    uint64_t *to = &waiting->unknown;

    if (disks & LB_ATTRIBUTION_LAST)
        to = &waiting->last;
    disks &= ALL_DISKS;
    if (disks != 0 && (disks & (disks - 1)) == 0) {
        to = &waiting->placed[__builtin_ctz(disks)];
    } else if (disks != 0) {
        to = &waiting->spread;
        waiting->spread_disks |= disks;
    }
    *to = least(*to + least(bytes, LB_ATTRIBUTION_BYTES_MAX), LB_ATTRIBUTION_BYTES_MAX);
}

static void take(uint64_t *from, uint64_t *bytes)
{
    uint64_t taken = least(*from, *bytes);

    *from -= taken;
    *bytes -= taken;
}

void lb_attribution_cancel(struct lb_attribution *attribution, uint32_t program, uint64_t bytes)
{
    struct lb_waiting *const newest_first[] = { &attribution->fresh[program], &attribution->old[program] };

    for (unsigned i = 0; i < 2; i++) {
        take(&newest_first[i]->last, &bytes);
        take(&newest_first[i]->unknown, &bytes);
        take(&newest_first[i]->spread, &bytes);
        for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
            take(&newest_first[i]->placed[d], &bytes);
    }
}

void lb_attribution_age(struct lb_attribution *attribution, uint64_t now_ns)
{
    if (attribution->aged_ns == 0)
        attribution->aged_ns = now_ns;
    if (now_ns < attribution->aged_ns + GENERATION_NS)
        return;
    memcpy(attribution->old, attribution->fresh, sizeof attribution->old);
    memset(attribution->fresh, 0, sizeof attribution->fresh);
    attribution->aged_ns = now_ns;
}

/* Which part of what is for several disks is for each: as they were written to. */
static void divide(uint64_t bytes, uint32_t disks, const uint64_t left[LB_WEAR_DISKS],
                   uint64_t parts[LB_WEAR_DISKS])
{
    uint64_t all = 0;

    for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
        all += disks & 1u << d ? left[d] : 0;
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
        if (disks & 1u << d && left[d] > 0)
            parts[d] += proportion(bytes, left[d], all);
}

/*
 * Share out one disk's bytes. Each gets its part of what is then left, so that no rounding adds up and the
 * last gets what remains; nobody gets more than it claims.
 */
static void share_out(uint64_t claims[LB_WEAR_PROGRAMS][LB_WEAR_DISKS], unsigned disk, uint64_t *left)
{
    uint64_t claimed = 0, pay;

    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
        claimed += claims[p][disk];
    pay = least(claimed, *left);
    *left -= pay;
    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++) {
        uint64_t own = claims[p][disk], others = claimed - own, share = 0;

        if (pay > 0)
            share = proportion(pay, own, claimed);
        if (pay > others && share < pay - others)
            share = pay - others;
        claims[p][disk] = share = least(share, own);
        pay -= share;
        claimed = others;
    }
}

/* In this order they are paid. */
enum part { KNOWN = 0, UNKNOWN, LAST, PARTS };

/* What of a part is for no one disk. */
static uint64_t *loose(struct lb_waiting *waiting, enum part part)
{
    return part == KNOWN ? &waiting->spread : part == UNKNOWN ? &waiting->unknown : &waiting->last;
}

/* Pay one part of one generation. */
static void pay_part(struct lb_waiting *waiting, enum part part, uint64_t left[LB_WEAR_DISKS],
                     uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS])
{
    uint64_t claims[LB_WEAR_PROGRAMS][LB_WEAR_DISKS] = { 0 };

    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++) {
        if (part == KNOWN)
            memcpy(claims[p], waiting[p].placed, sizeof claims[p]);
        divide(*loose(&waiting[p], part), part == KNOWN ? waiting[p].spread_disks : ALL_DISKS, left,
               claims[p]);
    }
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
        share_out(claims, d, &left[d]);
    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
        for (unsigned d = 0; d < LB_WEAR_DISKS; d++) {
            uint64_t paid = claims[p][d];

            shares[p][d] += paid;
            if (part == KNOWN)
                take(&waiting[p].placed[d], &paid);
            take(loose(&waiting[p], part), &paid);
        }
}

void lb_attribution_pay(struct lb_attribution *attribution, const uint64_t counted[LB_WEAR_DISKS],
                        uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS], uint64_t ret_rest[LB_WEAR_DISKS])
{
    memset(shares, 0, sizeof(uint64_t[LB_WEAR_PROGRAMS][LB_WEAR_DISKS]));
    memcpy(ret_rest, counted, sizeof(uint64_t[LB_WEAR_DISKS]));
    for (enum part part = KNOWN; part < PARTS; part++) {
        pay_part(attribution->old, part, ret_rest, shares);
        pay_part(attribution->fresh, part, ret_rest, shares);
    }
}

static void move(struct lb_waiting *from, struct lb_waiting *to)
{
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
        to->placed[d] = least(to->placed[d] + from->placed[d], LB_ATTRIBUTION_BYTES_MAX);
    to->spread = least(to->spread + from->spread, LB_ATTRIBUTION_BYTES_MAX);
    to->spread_disks |= from->spread_disks;
    to->last = least(to->last + from->last, LB_ATTRIBUTION_BYTES_MAX);
    to->unknown = least(to->unknown + from->unknown, LB_ATTRIBUTION_BYTES_MAX);
    *from = (struct lb_waiting) { 0 };
}

void lb_attribution_move(struct lb_attribution *attribution, uint32_t from, uint32_t to)
{
    move(&attribution->fresh[from], &attribution->fresh[to]);
    move(&attribution->old[from], &attribution->old[to]);
}

void lb_attribution_forget_disk(struct lb_attribution *attribution, uint32_t disk)
{
    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++) {
        attribution->fresh[p].placed[disk] = attribution->old[p].placed[disk] = 0;
        attribution->fresh[p].spread_disks &= ~(1u << disk);
        attribution->old[p].spread_disks &= ~(1u << disk);
    }
}
