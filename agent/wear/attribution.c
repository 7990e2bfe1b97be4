/* SPDX-License-Identifier: MIT */
/*
 * Who pays for a disk's bytes. In: what programs dirtied, what disks counted. Out: shares, and a rest. Always
 * true: shares and rest of a disk add up to what it counted, to the byte.
 *
 * Why the old is paid first: the kernel writes pages in the order in which they became dirty. Why a rest: a
 * file system's journal and its tables are nobody's, and small synced writes cost the disk five to thirty
 * times of what a process is said to have dirtied (facts/storage.md 2).
 */
#include "agent/wear/attribution.h"

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
    uint64_t *to = &waiting->spread;

    disks &= ALL_DISKS;
    if (disks == 0)
        disks = ALL_DISKS;
    if ((disks & (disks - 1)) == 0)
        to = &waiting->placed[__builtin_ctz(disks)];
    else
        waiting->spread_disks |= disks;
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

/* What a program claims of each disk: its own, and its part of what is for several as they were written to.
 */
static void claim(const struct lb_waiting *waiting, const uint64_t left[LB_WEAR_DISKS],
                  uint64_t claims[LB_WEAR_DISKS])
{
    uint64_t all = 0;

    for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
        all += waiting->spread_disks & 1u << d ? left[d] : 0;
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++) {
        claims[d] = waiting->placed[d];
        if (waiting->spread_disks & 1u << d && left[d] > 0)
            claims[d] += proportion(waiting->spread, left[d], all);
    }
}

/*
 * Share out one disk's bytes. Each gets its part of what is then left, so that no rounding adds up and the
 * last gets what remains; nobody gets more than it claims.
 */
static void share_out(struct lb_waiting *waiting, uint64_t claims[LB_WEAR_PROGRAMS][LB_WEAR_DISKS],
                      unsigned disk, uint64_t *left, uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS])
{
    uint64_t claimed = 0, pay;

    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
        claimed += claims[p][disk];
    pay = least(claimed, *left);
    *left -= pay;
    for (unsigned p = 0; p < LB_WEAR_PROGRAMS && pay > 0; p++) {
        uint64_t own = claims[p][disk], others = claimed - own, share = proportion(pay, own, claimed);

        if (pay > others && share < pay - others)
            share = pay - others;
        share = least(share, own);
        shares[p][disk] += share;
        pay -= share;
        claimed = others;
        take(&waiting[p].placed[disk], &share);
        take(&waiting[p].spread, &share);
    }
}

static void pay_generation(struct lb_waiting *waiting, uint64_t left[LB_WEAR_DISKS],
                           uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS])
{
    uint64_t claims[LB_WEAR_PROGRAMS][LB_WEAR_DISKS];

    for (unsigned p = 0; p < LB_WEAR_PROGRAMS; p++)
        claim(&waiting[p], left, claims[p]);
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
        share_out(waiting, claims, d, &left[d], shares);
}

void lb_attribution_pay(struct lb_attribution *attribution, const uint64_t counted[LB_WEAR_DISKS],
                        uint64_t shares[LB_WEAR_PROGRAMS][LB_WEAR_DISKS], uint64_t ret_rest[LB_WEAR_DISKS])
{
    memset(shares, 0, sizeof(uint64_t[LB_WEAR_PROGRAMS][LB_WEAR_DISKS]));
    memcpy(ret_rest, counted, sizeof(uint64_t[LB_WEAR_DISKS]));
    pay_generation(attribution->old, ret_rest, shares);
    pay_generation(attribution->fresh, ret_rest, shares);
}

static void move(struct lb_waiting *from, struct lb_waiting *to)
{
    for (unsigned d = 0; d < LB_WEAR_DISKS; d++)
        to->placed[d] = least(to->placed[d] + from->placed[d], LB_ATTRIBUTION_BYTES_MAX);
    to->spread = least(to->spread + from->spread, LB_ATTRIBUTION_BYTES_MAX);
    to->spread_disks |= from->spread_disks;
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
