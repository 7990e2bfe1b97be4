/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_H
#define LB_SHIP_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
#define LB_ENCODE_MEMBERS_MAX  2048u /* the members of the logboom object of one record */

struct lb_encoder {
    const struct lb_config *config;
    enum lb_sequence sequence;
    uint64_t ring_id;
    uint64_t wall_minus_boot_ns; /* added to a record's stamp; set before each body */
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
 * What a record may take at most, in bytes.
 *   calls     any thread
 */
size_t lb_encode_bound(const struct lb_record *record);

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
 * The text of a receipt, for people ("message").
 *   buf       size bytes, cut if too small
 *   returns   its length
 *   calls     any thread
 */
size_t lb_encode_receipt_text(const struct lb_receipt *receipt, char *buf, size_t size);

/*
 * Name of a reason, as receipts and status have it.
 *   returns   a static string
 */
const char *lb_reason_name(uint64_t reason);

#endif
