/* SPDX-License-Identifier: MIT */
/* Records to encode. In: names, texts. Out: a record as it lies in a ring, and its object. Always true: one
 * encoder, one record at a time. */
#include "tests/unit/lib_encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib_config.h"

struct lb_encoder encoder;
static char record_room[1 << 20] __attribute__((aligned(8)));
char encoded_text[8 << 20];

struct lb_record *record_of(const char *service, const char *tags, const void *body, size_t len)
{
    struct lb_record *record = (struct lb_record *)(void *)record_room;
    char *to = (char *)(record + 1);

    memset(record, 0, sizeof *record);
    record->service_len = (uint8_t)strlen(service);
    record->tags_len = (uint16_t)strlen(tags);
    record->body_len = (uint32_t)len;
    record->len = (uint32_t)lb_record_size(record->service_len, record->tags_len, len);
    assert_true(record->len <= sizeof record_room);
    memcpy(to, service, record->service_len);
    memcpy(to + record->service_len, tags, record->tags_len);
    memcpy(to + record->service_len + record->tags_len, body, len);
    record->severity = LB_LEVEL_ERROR;
    record->lane = LB_LANE_ROUTINE;
    record->boot_ns = 5000000;
    record->n = 42;
    record->stream_id = 0xfeed;
    record->pid = 7;
    record->uid = 1000;
    record->lines = 1;
    return record;
}

struct lb_record *line_of(const char *body)
{
    return record_of("shop", "", body, strlen(body));
}

const char *encoded(const struct lb_record *record)
{
    char *end = lb_encode_record(&encoder, record, 0, encoded_text);

    assert_true((size_t)(end - encoded_text) <= lb_encode_bound(record));
    *end = '\0';
    return encoded_text;
}

void encode_begin(const char *settings, enum lb_sequence sequence)
{
    char ini[2048];

    snprintf(ini, sizeof ini, "%s\n%s", settings, TEST_SINK);
    lb_encoder_init(&encoder, test_config_of(ini), sequence, ENCODE_RING_ID);
    encoder.stamps = (struct lb_stamps) { .offset_ns = 1700000000000000000ull };
}

struct lb_record *receipt_of(const struct lb_receipt *receipt)
{
    struct lb_record *record = record_of("shop", "", receipt, sizeof *receipt);

    record->kind = LB_KIND_RECEIPT;
    record->severity = LB_LEVEL_WARNING;
    return record;
}
