/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_SIM_H
#define TESTS_LIB_SIM_H

#include "agent/capture/turn.h"
#include "agent/store/files.h"

/*
 * The fast side on a simulated clock: the code that decides is the agent's own
 * (agent/capture/records.c); staging, pipes and the journal are left out. What
 * is queued is the caller's to look at, and to release.
 */
#define SIM_START_NS (1000 * LB_NS_PER_S)

struct sim {
    struct lb_config *config;
    struct lb_rules *rules;
    struct lb_files files;
    struct lb_loop loop;
    struct lb_link doors;
    struct lb_capture capture;
    void (*on_records)(void); /* after something may have been queued */
};

extern struct sim sim;

/*
 * Begin, with a configuration. Ends the process where that has faults (2) or
 * the system says no (1).
 */
void sim_open(const char *ini_path, void (*on_records)(void));

/*
 * Let time pass up to now_ns; what is due on the way is done at its time.
 */
void sim_advance(uint64_t now_ns);

/*
 * A service says a line, now.
 *   text      len bytes; changed in place
 */
void sim_say(const char *service, char *text, size_t len);

/*
 * The end: what is untold is told, and the files are removed.
 */
void sim_close(void);

#endif
