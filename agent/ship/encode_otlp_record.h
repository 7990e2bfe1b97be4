/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_OTLP_RECORD_H
#define LB_SHIP_ENCODE_OTLP_RECORD_H

#include "agent/ship/encode.h"

/*
 * One record as OpenTelemetry's LogRecord. Field numbers are those of its
 * logs.proto and common.proto.
 */
enum { LB_OTLP_KEY_VALUE_KEY = 1, LB_OTLP_KEY_VALUE_VALUE = 2 };
enum { LB_OTLP_ANY_STRING = 1, LB_OTLP_ANY_INT = 3, LB_OTLP_ANY_ARRAY = 5 };
enum { LB_OTLP_ARRAY_VALUES = 1 };
enum { LB_OTLP_RECORD_ATTRIBUTES = 6 };

/*
 * Is a text UTF-8 throughout?
 *   calls     any thread, as all here
 */
bool lb_encode_otlp_is_clean(const char *text, size_t len);

/*
 * Write an attribute whose value is text.
 *   field     that holds attributes
 *   to        room for three times key and value, and 4 * LB_PROTOBUF_FRAME_MAX
 *   returns   one past the last byte written, as all that write
 */
char *lb_encode_otlp_text(char *to, unsigned field, const char *key, size_t key_len, const char *value,
                          size_t value_len);

/*
 * Write the fields of a LogRecord.
 *   stamps    for the time at which it was observed
 *   to        room for lb_encode_bound() of the record, less an envelope
 */
char *lb_encode_otlp_record(const struct lb_stamps *stamps, const struct lb_view *view, char *to);

/*
 * OpenTelemetry's number for a syslog severity (its data model, appendix B).
 *   returns   1 to 24
 */
unsigned lb_encode_otlp_severity(unsigned severity);

#endif
