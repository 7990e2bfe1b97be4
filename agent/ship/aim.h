/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_AIM_H
#define LB_SHIP_AIM_H

#include "agent/ship/sinks/sink.h"

/*
 * Targets of HTTP sinks, piece by piece. All are pure.
 */

/*
 * Begin a target: the address of the settings, with a sink's own path behind it where it has none.
 *   path      "/loki/api/v1/push", or "" for none
 *   query     "a=b" to be added to whatever is there, or ""
 *   returns   0 | -E2BIG
 *   calls     as all here: any thread
 */
int lb_aim_url(const struct lb_sink_config *config, const char *path, const char *query,
               struct lb_target *target);

/*
 * The same address with another path, whatever it had: for questions.
 */
int lb_aim_other(const struct lb_sink_config *config, const char *path, struct lb_target *target);

/*
 * Add a header.
 *   returns   0 | -E2BIG too long, or too many
 */
int lb_aim_header(struct lb_target *target, const char *name, const char *value);

/*
 * Add what shows the secret, as [sink] auth says; nothing where that is none.
 *   returns   as lb_aim_header()
 */
int lb_aim_auth(const struct lb_sink_config *config, const char *key, struct lb_target *target);

/*
 * Add those of [sink] headers: "NAME: VALUE; NAME: VALUE".
 *   returns   as lb_aim_header() | -EINVAL there is one without a colon
 */
int lb_aim_headers(const struct lb_sink_config *config, struct lb_target *target);

/*
 * The response table that most sinks share (facts/sinks.md 11): 2xx delivered; 408, 425, 429 and 5xx again;
 * 413 smaller; 400, 406, 422 find the record; 415 another encoding; the rest pauses the sink.
 */
enum lb_verdict lb_aim_judge(const struct lb_answer *answer);

#endif
