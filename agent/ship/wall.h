/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_WALL_H
#define LB_SHIP_WALL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What time it is, and how much of that is to be believed. Records carry boot
 * time, which never steps; wall time = boot time + offset, where the offset is
 * chosen anew whenever something is shipped (design.md, ship, "Time"). Pure:
 * readings are passed in, nothing is asked of the system here.
 *
 *   synchronised now, by the kernel's word ─────────────▶ offset of the system's clock
 *   was synchronised, and the clock has not stepped since ▶ the same
 *   was synchronised, then stepped by hand ──────────────▶ the last offset known to be good, until the clock
 *                                                          is synchronised again, or stepped back to it
 *   never, but a verified server told its time ──────────▶ the system's where it agrees with the server
 *                                                          within LB_WALL_AGREES_NS, else the server's
 *   never, and nobody told ──────────────────────────────▶ the system's, marked unknown
 *
 * Who was synchronised once in this boot stays trusted: boot time goes on at
 * the rate that was found then, which is off by a second or so in a day.
 */
enum lb_clock_trust {
    LB_CLOCK_EXACT = 0, /* stamped since the clock was first found synchronised */
    LB_CLOCK_REPAIRED,  /* stamped before that; the offset found later makes it right */
    LB_CLOCK_BOUNDED,   /* within a few seconds, or half the travel, by the Date of a TLS-verified answer */
    LB_CLOCK_UNKNOWN,   /* the system's clock, which nobody vouches for */
    LB_CLOCK_TRUST_COUNT
};

#define LB_WALL_AGREES_NS  2000000000ull  /* a Date has whole seconds, and travelled; or half its travel */
#define LB_WALL_EARLIEST_S 1767225600ull  /* 2026-01-01: a clock that shows less is not right */
#define LB_WALL_STEP_NS    1000000000ull  /* a larger change of the offset is a step, not a slew */
#define LB_WALL_TRAVEL_NS  60000000000ull /* a Date that was under way for longer teaches nothing */

/* The system's clocks, read together. */
struct lb_wall_reading {
    uint64_t boot_ns;
    uint64_t wall_ns;
    bool is_synced; /* the kernel says that somebody disciplines the clock (lb_clock_is_synced()) */
};

struct lb_wall {
    uint64_t offset_ns;        /* of the system's clock at the last look; all offsets are modulo 2^64 */
    uint64_t good_offset_ns;   /* was_synced: the newest while synchronised, and where it slewed from there */
    uint64_t synced_since_ns;  /* was_synced: boot time of the first look that found it so; 0: before us */
    uint64_t date_offset_ns;   /* has_date: a server's, the newest that said something new */
    uint64_t date_slack_ns;    /* has_date: the truth is no further away than this */
    uint64_t earliest_wall_ns; /* no right clock shows less: when this program was made */
    bool has_looked, was_synced, is_synced, has_date;
};

/*
 * Begin without any knowledge.
 *   earliest_wall_ns  when this program was made, 0: not known
 *   calls     slow side
 */
void lb_wall_init(struct lb_wall *wall, uint64_t earliest_wall_ns);

/*
 * Take a reading of the system's clocks. Cheap; to be called before anything
 * that depends on the time.
 *   returns   true: what the time is held to be, or how far it is trusted, has changed since the last look (a
 *             step, synchronised at last); a slew is no change, the first look is one
 *   calls     slow side
 */
bool lb_wall_look(struct lb_wall *wall, const struct lb_wall_reading *reading);

/*
 * A server whose certificate was verified told the time in a Date header. A
 * newer one replaces an older one that it contradicts, or that travelled so
 * long that it said less; one that only confirms it does not, for its second
 * is cut off somewhere else, and times must not jump to and fro with each answer.
 *   date_s    seconds since 1970, UTC
 *   sent_ns, got_ns  boot time of the request and of its answer: the truth lies between; an answer that took
 *             longer than LB_WALL_TRAVEL_NS, or whose date is before earliest_wall or beyond what 64 bits of
 *             nanoseconds hold (the year 2554), teaches nothing
 *   returns   as lb_wall_look()
 *   calls     slow side
 */
bool lb_wall_date(struct lb_wall *wall, uint64_t date_s, uint64_t sent_ns, uint64_t got_ns);

/*
 * What is to be added to boot time, modulo 2^64.
 *   returns   the offset; 0 before the first look, where no server told the time either
 *   calls     slow side
 */
uint64_t lb_wall_offset_ns(const struct lb_wall *wall);

/*
 * How far the wall time of a record is to be trusted that was stamped at boot
 * time stamp_ns.
 *   calls     slow side
 */
enum lb_clock_trust lb_wall_trust(const struct lb_wall *wall, uint64_t stamp_ns);

/*
 * Can this be the time at all? false: it is before this program was made, as
 * on a board without a battery that has just been switched on.
 *   returns   true where earliest_wall is not known
 *   calls     slow side
 */
bool lb_wall_is_plausible(const struct lb_wall *wall, uint64_t now_boot_ns);

/*
 * "exact", "repaired", "bounded", "unknown", as records say it.
 *   returns   a static string; "unknown" for what is no trust at all
 *   calls     any thread
 */
const char *lb_clock_trust_name(enum lb_clock_trust trust);

#endif
