/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_LEDGER_H
#define LB_WEAR_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What the card may still be written today: a token bucket over bytes as the
 * card counts them. It fills with the budget's rate, holds a day's worth, and
 * each transaction takes what it costs by the model of facts/storage.md 7a, as
 * far as the disk's own counter has corrected that. A limiter that permits
 * bursts but guarantees a life is what Zhang et al. propose (HotOS'17, S9).
 *
 *     rate ──▶ [ level, at most a day ] ──▶ transactions, while there is anything left
 *
 * So the budget is passed by one transaction at most. What is known rides on
 * the transactions themselves, as words, and is there after a reboot: what time
 * has passed meanwhile counts only where both clocks were right, since a device
 * that cannot tell the time must not earn by being switched off and on.
 */
#define LB_LEDGER_WORDS       8
#define LB_LEDGER_COMMIT_COST 50176u /* 49 KiB: journal, tree, book, the file system's own */
#define LB_LEDGER_DROP_COST   64u    /* of a row that goes: its place in the list of free pages */
#define LB_LEDGER_PPM         1000000u

struct lb_ledger {
    uint64_t rate_per_day; /* bytes */
    int64_t level;         /* bytes that are left; below 0 by at most one transaction */
    uint64_t at_ns;        /* boot time of level */
    uint64_t spent_bytes;  /* in all, since the ledger was begun */
    uint32_t factor_ppm;   /* what the disk counts for a byte of the model */
};

/*
 * Begin: a day's worth is there.
 *   calls    any thread, as all of this: pure functions of their arguments
 */
void lb_ledger_begin(struct lb_ledger *ledger, uint64_t rate_per_day, uint64_t now_ns);

/*
 * Take over what rode on the last transaction.
 *   words     as lb_ledger_save() left them, count of them; others are passed over
 *   boot      what tells this boot from others
 *   wall_ns   wall clock now; 0: nobody knows
 */
void lb_ledger_load(struct lb_ledger *ledger, const uint64_t *words, uint32_t count, uint64_t boot,
                    uint64_t wall_ns, uint64_t now_ns);
void lb_ledger_save(const struct lb_ledger *ledger, uint64_t boot, uint64_t wall_ns,
                    uint64_t words[LB_LEDGER_WORDS]);

/*
 * What a transaction is going to cost.
 *   payload_bytes  that go into the database, in whole pages
 */
uint64_t lb_ledger_cost(const struct lb_ledger *ledger, uint64_t payload_bytes, unsigned drops);

/*
 * Is anything left? And how much, 0 or more.
 */
bool lb_ledger_may(struct lb_ledger *ledger, uint64_t now_ns);
uint64_t lb_ledger_left(const struct lb_ledger *ledger, uint64_t now_ns);

/*
 * It was written.
 *   measured_bytes  that the disk counted meanwhile, others' among them; 0: not known. Believed where it lies
 *                   between half and four times the model, and only by a sixteenth each time
 */
void lb_ledger_spend(struct lb_ledger *ledger, uint64_t cost_bytes, uint64_t measured_bytes, uint64_t now_ns);

/*
 * The budget of `auto`: a twentieth of what the card can take over its life.
 *   capacity_bytes   of the disk
 *   endurance_bytes  as its maker says it; 0: 1000 cycles, of which a cheap controller's own copying takes
 *                    three quarters (facts/storage.md 1)
 *   returns          bytes a day; 0: nothing is known of the disk
 */
uint64_t lb_ledger_auto_rate(uint64_t capacity_bytes, uint64_t endurance_bytes, uint64_t life_ms);

#endif
