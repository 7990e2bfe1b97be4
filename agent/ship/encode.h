/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_H
#define LB_SHIP_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ship/wall.h"
#include "agent/store/record.h"
#include "common/config.h"
#include "common/proto.h"

/*
 * Records to JSON objects, as design.md 4 names their members: the objects of
 * the file sink, of Datadog's array, and of `logboom tail --json`.
 */
/*
 * An envelope at its longest: every byte of hostname (255), service, source and three sets of tags as \u00xx
 * is under 8 KiB. A record's own tags are cut here rather than trusted, since their length comes out of the
 * ring.
 */
#define LB_ENCODE_ENVELOPE_MAX 65536u
#define LB_ENCODE_TAGS_MAX     4096u
#define LB_ENCODE_MEMBERS_MAX                                                     \
    12288u /* the members of the logboom object of one record: of a summary, most \
            */

/*
 * What time records are given. A stamp outside of the sink's window is never
 * sent unchanged: the record gets the time of sending, and its own as
 * original_ms. Where the clock cannot be right the record has no stamp at all
 * (a sink with a window then takes its own time) but its age.
 */
struct lb_stamps {
    uint64_t offset_ns;      /* wall time less boot time, modulo 2^64 */
    uint64_t exact_since_ns; /* records from this boot time on have trust[1], those before trust[0] */
    enum lb_clock_trust trust[2];
    bool has_window;     /* the sink has one; the next four count */
    bool is_implausible; /* no clock that shows this can be right */
    uint64_t now_ns;     /* boot time */
    uint64_t max_age_ns; /* LB_NEVER: none */
    uint64_t max_ahead_ns;
};

struct lb_encoder {
    const struct lb_config *config;
    enum lb_sequence sequence;
    uint64_t ring_id;
    struct lb_stamps stamps; /* set before each body */
    /* What follows the timestamp, for the service and tags it was last made for. */
    char envelope[LB_ENCODE_ENVELOPE_MAX];
    size_t envelope_len;
    bool is_reusable; /* false: the names below were too long to be kept */
    char service[LB_NAME_MAX];
    size_t service_len;
    char tags[LB_PROTO_TAGS_MAX];
    size_t tags_len;
    /* Members of the logboom object of the record encoded last, without braces. */
    char members[LB_ENCODE_MEMBERS_MAX];
    size_t members_len;
};

/*
 * Start an encoder, or give it other settings.
 *   config    outlives the encoder or the next call of this
 *   calls     slow side, offline readers; one thread for each encoder
 */
void lb_encoder_init(struct lb_encoder *encoder, const struct lb_config *config, enum lb_sequence sequence,
                     uint64_t ring_id);

/*
 * The stamps that a wall clock gives now, without a window.
 *   calls     the wall's thread
 */
struct lb_stamps lb_stamps_of(const struct lb_wall *wall, uint64_t now_boot_ns);

/*
 * Is a record's stamp outside of the sink's window?
 *   calls     any thread
 */
bool lb_stamps_are_off(const struct lb_stamps *stamps, uint64_t boot_ns);

/*
 * What a record may take at most, in bytes.
 *   calls     any thread
 */
size_t lb_encode_bound(const struct lb_record *record);

/*
 * The same for any record with a body of so many bytes.
 *   has_extra  it may have parts of extra.h
 *   calls      any thread
 */
size_t lb_encode_bound_of(size_t body_len, bool has_extra);

/*
 * Write one record as an object, or, with without_logboom, all of it but the
 * opening brace and the logboom object, whose members are then in
 * encoder->members for whoever writes them.
 *   to        room for lb_encode_bound(record)
 *   returns   one past the last byte written
 *   calls     the encoder's thread
 */
char *lb_encode_record(struct lb_encoder *encoder, const struct lb_record *record, int without_logboom,
                       char *to);

#endif
