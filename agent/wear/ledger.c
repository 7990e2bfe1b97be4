/* SPDX-License-Identifier: MIT */
/*
 * The wear ledger.
 *
 * Happy path. Before a transaction the ledger is asked whether anything is left; behind it, it takes what the
 * transaction cost, and its words go with the next one. So what is on the card is behind by one transaction
 * at most, and a power cut forgives no more than that.
 *
 * Failure modes. Words that make no sense (another format, a level beyond a day) are as if there were none,
 * but for the level, which is then empty: who can damage the ledger must not gain by it. A clock that is not
 * known earns nothing across a reboot. The disk's counter has other writers in it: one reading moves the
 * factor by a sixteenth, and readings beyond what the model could be wrong by are passed over.
 */
#include "agent/wear/ledger.h"

#define FORMAT       1u
#define NS_PER_DAY   (86400 * 1000000000ull)
#define MS_PER_DAY   86400000.0
#define CYCLES       1000.0
#define INNER_COPY   4.0
#define SHARE        20.0
#define FACTOR_LEAST (LB_LEDGER_PPM / 2)
#define FACTOR_MOST  (LB_LEDGER_PPM * 4)

enum { WORD_FORMAT = 0, WORD_LEVEL, WORD_AT_NS, WORD_BOOT, WORD_WALL_NS, WORD_SPENT, WORD_FACTOR };

void lb_ledger_begin(struct lb_ledger *ledger, uint64_t rate_per_day, uint64_t now_ns)
{
    *ledger = (struct lb_ledger) { .rate_per_day = rate_per_day,
                                   .level = (int64_t)rate_per_day,
                                   .at_ns = now_ns,
                                   .factor_ppm = LB_LEDGER_PPM };
}

/* More than two days make no difference: the level ends at one. */
static int64_t earned(const struct lb_ledger *ledger, uint64_t passed_ns)
{
    uint64_t counted_ns = passed_ns < 2 * NS_PER_DAY ? passed_ns : 2 * NS_PER_DAY;

    return (int64_t)((double)ledger->rate_per_day * (double)counted_ns / (double)NS_PER_DAY);
}

static int64_t level_at(const struct lb_ledger *ledger, uint64_t now_ns)
{
    int64_t level = ledger->level + (now_ns > ledger->at_ns ? earned(ledger, now_ns - ledger->at_ns) : 0);

    return level < (int64_t)ledger->rate_per_day ? level : (int64_t)ledger->rate_per_day;
}

void lb_ledger_load(struct lb_ledger *ledger, const uint64_t *words, uint32_t count, uint64_t boot,
                    uint64_t wall_ns, uint64_t now_ns)
{
    uint64_t passed_ns = 0;

    if (count == 0)
        return;
    ledger->level = 0;
    ledger->at_ns = now_ns;
    if (count < LB_LEDGER_WORDS || words[WORD_FORMAT] != FORMAT)
        return;
    if (words[WORD_BOOT] == boot && now_ns > words[WORD_AT_NS])
        passed_ns = now_ns - words[WORD_AT_NS];
    else if (words[WORD_BOOT] != boot && words[WORD_WALL_NS] && wall_ns > words[WORD_WALL_NS])
        passed_ns = wall_ns - words[WORD_WALL_NS];
    ledger->spent_bytes = words[WORD_SPENT];
    if (words[WORD_FACTOR] >= FACTOR_LEAST && words[WORD_FACTOR] <= FACTOR_MOST)
        ledger->factor_ppm = (uint32_t)words[WORD_FACTOR];
    ledger->level = (int64_t)words[WORD_LEVEL];
    if (ledger->level > (int64_t)ledger->rate_per_day || ledger->level < -(1ll << 32))
        ledger->level = 0;
    ledger->level += earned(ledger, passed_ns);
    ledger->level = level_at(ledger, now_ns);
}

void lb_ledger_save(const struct lb_ledger *ledger, uint64_t boot, uint64_t wall_ns,
                    uint64_t words[LB_LEDGER_WORDS])
{
    words[WORD_FORMAT] = FORMAT;
    words[WORD_LEVEL] = (uint64_t)ledger->level;
    words[WORD_AT_NS] = ledger->at_ns;
    words[WORD_BOOT] = boot;
    words[WORD_WALL_NS] = wall_ns;
    words[WORD_SPENT] = ledger->spent_bytes;
    words[WORD_FACTOR] = ledger->factor_ppm;
    words[LB_LEDGER_WORDS - 1] = 0;
}

uint64_t lb_ledger_cost(const struct lb_ledger *ledger, uint64_t payload_bytes, unsigned drops)
{
    uint64_t model = payload_bytes + LB_LEDGER_COMMIT_COST + (uint64_t)drops * LB_LEDGER_DROP_COST;

    return model / LB_LEDGER_PPM * ledger->factor_ppm +
           model % LB_LEDGER_PPM * ledger->factor_ppm / LB_LEDGER_PPM;
}

bool lb_ledger_may(struct lb_ledger *ledger, uint64_t now_ns)
{
    return level_at(ledger, now_ns) > 0;
}

uint64_t lb_ledger_left(const struct lb_ledger *ledger, uint64_t now_ns)
{
    int64_t level = level_at(ledger, now_ns);

    return level > 0 ? (uint64_t)level : 0;
}

void lb_ledger_spend(struct lb_ledger *ledger, uint64_t cost_bytes, uint64_t measured_bytes, uint64_t now_ns)
{
    uint64_t model = cost_bytes * LB_LEDGER_PPM / ledger->factor_ppm, ppm;

    ledger->level = level_at(ledger, now_ns) - (int64_t)cost_bytes;
    ledger->at_ns = now_ns;
    ledger->spent_bytes += cost_bytes;
    if (measured_bytes == 0 || model == 0)
        return;
    ppm = measured_bytes * LB_LEDGER_PPM / model;
    if (ppm >= FACTOR_LEAST && ppm <= FACTOR_MOST)
        ledger->factor_ppm = (uint32_t)((15ull * ledger->factor_ppm + ppm) / 16);
}

uint64_t lb_ledger_auto_rate(uint64_t capacity_bytes, uint64_t endurance_bytes, uint64_t life_ms)
{
    double life_days = (double)life_ms / MS_PER_DAY,
           takes = endurance_bytes ? (double)endurance_bytes : (double)capacity_bytes * CYCLES / INNER_COPY;

    return life_days > 0 ? (uint64_t)(takes / life_days / SHARE) : 0;
}
