/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_REMOTE_REPLY_H
#define LB_CONTROL_REMOTE_REPLY_H

#include <stdbool.h>

#include "agent/control/remote_command.h"
#include "agent/control/status.h"

/*
 * What became of a command, in JSON for whoever asked:
 *
 *   {"id":"7","command":"level","host":"box","ok":true,"outcome":"..."}
 *   {"id":"7","command":"context","host":"box","ok":true,"outcome":"...","lines":12}
 *   {"id":"7","command":"status","host":"box","ok":true,"outcome":"...","status":{...}}   as `logboom status
 * --json`
 *   {"id":null,"command":null,"host":"box","ok":false,"outcome":"a command needs an id"}
 *
 * An answer is no longer than a message may be. A status that would be is
 * without its services, and says "reduced":true.
 */
struct lb_remote_outcome {
    bool is_refused, is_reduced;
    char text[160];
    bool has_lines;
    uint64_t lines;
    char *object; /* JSON under the command's name, from malloc(); NULL: none */
    size_t object_len;
};

/*
 * Print status or wear into the outcome, or why not.
 *   command   status or wear; nothing is done for others
 *   now_ns    boot time
 *   calls     slow side
 */
void lb_remote_reply_object(const struct lb_status_source *source, const struct lb_remote_command *command,
                            uint64_t now_ns, struct lb_remote_outcome *outcome);

/*
 * Make the answer, and free the outcome's object.
 *   host      of [agent]
 *   ret_len   of what is returned
 *   returns   from malloc(), the caller's | NULL out of memory
 *   calls     slow side
 */
char *lb_remote_reply(const char *host, const struct lb_remote_command *command,
                      struct lb_remote_outcome *outcome, size_t *ret_len);

#endif
