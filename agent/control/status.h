/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_STATUS_H
#define LB_CONTROL_STATUS_H

#include <stdio.h>

#include "agent/capture/capture.h"
#include "agent/control/outlets.h"
#include "agent/ship/drain.h"
#include "agent/ship/outlook.h"
#include "agent/ship/spooler.h"

/*
 * `logboom status`: one snapshot of the agent, for machines and for people.
 *
 * The object (all sizes in bytes, all times in seconds unless the name says
 * otherwise; `lb` stands for {"lines": n, "bytes": n}):
 *
 *   version, pid, uptime_s, runtime_dir, hostname
 *   books: { all: BOOK, services: { NAME: BOOK } }
 *     BOOK = in open queued held dropped pending delivered shed rejected own: lb
 *       dropped_by: { blank overload client repeat filter collapse sample limit
 *         lost quota pressure: lb }
 *       held_by: { filter collapse sample limit lost quota pressure: lb }
 *       shed_by: { away expired: lb }
 *       quota: QUOTA (a service that has one)
 *       in = open + queued + held + dropped
 *       queued = pending + delivered + shed + rejected
 *       own = records of logboom's own, outside of in
 *   sinks: [ SINK ], the first before the others
 *     SINK = name type state (LB_STATUS_SINK_STATES)
 *       first (ring, backlog and spool serve it) primary filtered
 *       requests delivered_bodies failures lines raw_bytes wire_bytes
 *       wire_bytes_today (of all sinks, told with the first; since midnight UTC,
 *         with what TLS adds; null: the clock is not known)
 *       in_flight last_delivery_s (null: none yet) next_try_s (null: now)
 *       encoding body_lines body_bytes last_error
 *     and of one that is not the first:
 *       queue: { id size used fill locked stalled next: { urgent routine } }
 *       backlog: { size used segments } | null
 *       queued pending delivered shed rejected: lb, of its queue
 *       missed: lb (what had no room there, or was damaged before it came there)
 *   ring: { id size used fill tmpfs locked lock_error holes lost_bytes set_aside
 *     next: { urgent routine } }
 *   held: { size used locked }
 *   backlog: { size used fill locked segments urgent (of them) lines
 *     bytes (of their texts) shed_segments (since the start)
 *     oldest_s (null: it is empty) } | null: there is none
 *   spool: { state (opening|on|off|refused|hangs)
 *     rows lines (that wait there, or in RAM as well) bytes_used bytes_disk
 *     written_rows written_bytes copied_rows dropped_rows
 *     brought_back (segments) commits failures
 *     damaged (files set aside), all since the start
 *     budget: { rate (bytes a day) left spent (in all) }, of the card's bytes
 *     earlier: { delivered lost } (lines of earlier boots, in no book)
 *     why ("": nothing is wrong) } | null: there is none
 *   wear: { state (starting|on|hangs) sampled_s (ago; null: not yet) disks
 *     processes: { seen refused } cost_ms (of the last look)
 *     missing (what may not be seen and what would help) } | null: nobody looks
 *   hours_left: of an outage, at the rate of the last minutes | null: nothing came
 *   network: { quota: QUOTA | null, rate (bytes a second) | null }
 *   pressure: { step (0..3) }
 *     QUOTA = { window (day|month) limit spent (with what is queued) left
 *       ends_s (null: the clock is not known) step (0: all passes .. 7: nothing) }
 *   redact: { jit (own rules are matched by compiled code) }
 *   staging: { size free streams cut locked }
 *   clock: { boot_ms wall_ms synchronized state }
 *   memory: { ceiling, parts: { NAME: n } }
 *   inputs: [ { name type (file|journal)
 *     state (starting|reading|waiting|refused|failed) error ("": none)
 *     files (that are followed; type file)
 *     cursor (of the last entry taken, "": none yet; type journal) } ]
 *   syslog: { sockets (of syslog.sock; 0: syslog = no)
 *     passed (by systemd: what waits there survives the agent)
 *     queue_length (datagrams, then senders wait) datagrams (since the start) }
 *   remote: commands from afar (remote_status.h) | null: they are off
 *   refused: connections that were turned away
 */
struct lb_remote;
struct lb_wear_side;

struct lb_status_source {
    const struct lb_config *config;
    const struct lb_capture *capture;
    const struct lb_shipper *shipper;
    const struct lb_outlets *outlets; /* of the sinks beside that shipper's */
    const struct lb_drain *drain;     /* NULL: there is no backlog */
    const struct lb_spooler *spooler; /* NULL: there is no spool */
    const struct lb_outlook *outlook;
    struct lb_wear_side *wear; /* NULL: there is none */
    const struct lb_state *state;
    const struct lb_ring *ring; /* the one being filled */
    const struct lb_ring_repair *repair;
    uint64_t started_ns;
    bool is_tmpfs;
    bool uses_jit;
    bool is_reduced;                /* the object's services are left out: there may be many */
    const struct lb_remote *remote; /* NULL: there is none */
};

#define LB_STATUS_SINK_STATES                              \
    {                                                      \
        "idle", "ok", "away", "paused", "clock", "metered" \
    }

/*
 * What several forms of the snapshot tell: the sink's state as a word, one of
 * LB_STATUS_SINK_STATES, static; bodies that are on their way; bytes of the held
 * pool that are taken.
 *   now_ns   boot time
 *   calls    slow side
 */
const char *lb_status_sink_state(const struct lb_status_source *source, uint64_t now_ns);
unsigned lb_status_in_flight(const struct lb_status_source *source);
uint64_t lb_status_held_used(const struct lb_status_source *source);

/*
 * Print the snapshot.
 *   errors    those of stdio, seen by ferror(out)
 *   calls     slow side
 */
void lb_status_print_json(const struct lb_status_source *source, uint64_t now_ns, FILE *out);
void lb_status_print_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out);

#endif
