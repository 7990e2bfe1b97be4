/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_SHIP_H
#define TESTS_LIB_SHIP_H

#include "agent/ship/shipper.h"
#include "tests/unit/lib_ring.h"

/*
 * A shipper with a transport that goes nowhere and a clock that the test
 * moves. The thread around it is played here: a step when its time has come,
 * when an answer came, or when the fast side knocked, and at no other time, so
 * that a wake-up which is missing is a test that fails. After each step the
 * books must balance, and a step that asks to be called at once, over and over
 * without getting anything done, ends the test.
 */
#define SHIP_HEAD    600u /* what a request takes on the link beside its body */
#define SHIP_SECOND  1000000000ull
#define SHIP_WALL_NS (1800000000 * SHIP_SECOND) /* what the wall clock is ahead of boot time: 2027 */

struct ship_out {
    bool is_out;
    unsigned order; /* 1 for the first body that was sent */
    char *text;     /* as it was given to the transport */
    size_t len;
    const void *body;
    char encoding[8];
};

struct ship {
    struct rig rig;
    struct lb_config *config, *config_before; /* the one before the last reload */
    struct lb_shipper shipper;
    uint64_t now_ns, due_ns;
    uint64_t wall_offset_ns; /* of the system's clock; begins right, and synchronised */
    bool is_unsynced;
    bool tells_time;  /* for ship_start(): the transport's answers bear a Date */
    bool keeps_splay; /* for ship_start(): else the first body does not wait for it */
    uint64_t steps;
    struct ship_out out[LB_TRANSPORT_SLOTS];
    unsigned sends, cancels, closes, old_rings_done;
    bool cannot_cancel; /* as the file sink */
    int send_rc;        /* what the next sends return */
    bool is_damaged;    /* the ring cannot be walked: no books are checked */
    uint64_t seen[8];   /* what a step can get done, before the last one */
    bool was_due;
    uint16_t taken[RING_LINES_MAX];     /* how often the sink took a line in an answer that counted */
    uint16_t late[RING_LINES_MAX];      /* and in one that came after its body was given up */
    void (*on_taken)(const char *text); /* called with each body that counted; NULL: nobody */
};

extern struct ship ship;

/*
 * Begin with a ring of this size and these settings, and end.
 */
void ship_begin(uint64_t ring_bytes, const char *settings);
int ship_end(void **state);

/*
 * As at a start, with the ring that is there: rings are wired as logboomd does.
 */
void ship_start(void);

/*
 * The end of a process, after which files and link are as a start finds them; what was on its way is answered
 * by nobody. ship_start() comes next, and the first step.
 */
void ship_kill(void);

/*
 * New settings, when nothing is on its way.
 */
void ship_reload(const char *settings);

/*
 * Put a line; the shipper has a step if the fast side would have knocked.
 *   returns   its number | 0 no room
 */
uint32_t ship_put(enum lb_level level, size_t len);
uint32_t ship_put_as(const char *service, enum lb_level level, size_t len);

/*
 * Receipts of all losses that may be told, and the knock that follows.
 */
unsigned ship_tell(void);

/*
 * One step now.
 */
void ship_step(void);

/*
 * Let time pass, with the steps that the shipper asked for.
 */
void ship_pass(uint64_t ns);

/*
 * The slot whose body is on its way and was sent first, or last; the test ends
 * when there is none.
 */
unsigned ship_first(void);
unsigned ship_last(void);

/*
 * How many bodies are on their way.
 */
unsigned ship_count(void);

/*
 * Numbers of the first and the last line in a body, and how many it has.
 */
uint32_t ship_first_line(unsigned slot);
uint32_t ship_last_line(unsigned slot);
unsigned ship_lines(unsigned slot);

/*
 * Answer a body, and let the shipper have its step: 0 it is taken, else an
 * error of the file sink. The second one tells the answer's own time.
 */
void ship_answer(unsigned slot, int error);
void ship_answer_at(unsigned slot, int error, uint64_t now_ns);

/*
 * The same for a sink that speaks HTTP: by its status, or with all that an answer has.
 */
void ship_status(unsigned slot, long status);
void ship_answer_with(unsigned slot, const struct lb_answer *answer, uint64_t now_ns);

/*
 * A sink that answers in turn, a millisecond after it was asked: questions on LB_ASK_SLOT first, then the
 * body that was sent first. It goes on until nothing is on its way; pauses are not waited for.
 *   status_of  what to answer a slot
 *   returns    how many answers it gave; the test ends when they have no end
 */
unsigned ship_serve(long (*status_of)(unsigned slot));

/*
 * Does a body hold a line? By its numbers, so whatever its encoding is; one that was not put yet is nowhere.
 */
bool ship_holds(unsigned slot, uint32_t line);

#endif
