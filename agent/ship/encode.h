/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_H
#define LB_SHIP_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ship/encode_own.h"
#include "agent/ship/sinks/sink.h"
#include "agent/ship/wall.h"
#include "agent/store/extra.h"
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

/*
 * A record as sinks of other forms tell of it.
 */
struct lb_view {
    const char *text; /* what it says; text_len bytes, any */
    size_t text_len;
    const char *service;
    size_t service_len;
    const char *hostname, *source;
    struct {
        const char *text; /* "k:v,k:v", len bytes */
        size_t len;
    } tags[3]; /* of the agent, the service, the stream; "" where there are none */
    unsigned severity;
    bool has_stamp;
    uint64_t wall_ns;    /* has_stamp: the time to give it, nanoseconds since 1970 */
    uint64_t unique_ns;  /* the same, made unique: lb_encode_unique_ns() */
    const char *members; /* of its logboom object, JSON without braces; members_len 0: it has none */
    size_t members_len;
    bool has_extra;
    struct lb_extra extra; /* has_extra: what was understood of it; spans lie in text */
    char own[LB_OWN_TEXT_MAX];
};

/*
 * Look at a record so.
 *   ret_view  points into the record, the encoder and itself: neither may change while it is used
 *   calls     the encoder's thread
 */
void lb_encode_view(struct lb_encoder *encoder, const struct lb_record *record, struct lb_view *ret_view);

#define LB_UNIQUE_NS 10000u

/*
 * A time made unique for sinks that tell records apart by it: to 10
 * microseconds, and then by lane and number. No two of 5000 neighbours in a
 * lane have the same, and one that is sent again has it again.
 *   calls     any thread
 */
uint64_t lb_encode_unique_ns(uint64_t wall_ns, const struct lb_record *record);

/*
 * The next of some tags.
 *   text      what is left of them, moved on
 *   ret_key, ret_key_len, ret_value, ret_value_len  in text; a tag without a colon is all key
 *   returns   false: there is none
 *   calls     any thread
 */
bool lb_encode_next_tag(const char **text, size_t *len, const char **ret_key, size_t *ret_key_len,
                        const char **ret_value, size_t *ret_value_len);

/*
 * The numbers of a body as JSON: {"id":"..","urgent":[1,2],"routine":[3,4]}.
 *   to        room for 160 bytes
 *   returns   one past the last byte written
 *   calls     any thread
 */
char *lb_encode_ranges(const struct lb_body_ranges *ranges, char *to);

#endif
