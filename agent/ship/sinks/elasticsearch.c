/* SPDX-License-Identifier: MIT */
/*
 * Elasticsearch and OpenSearch, by _bulk (facts/sinks.md section 4): pairs of lines, an action and a
 * document. In: settings, records, answers. Out: a target, bodies, and what an answer means.
 *
 *     {"create":{"_id":"0123456789abcdef-r-42"}}
 *     {"@timestamp":"2023-11-14T22:13:20.005Z","message":...}
 *
 * Always true: a record has one id, made of its ring, its lane and its number, however often it is sent and
 * by whatever body. So what was stored is never stored twice: the second time is answered by 409, which is as
 * good as 201, and a body of which a part is to come again may come again as a whole.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/ship/aim.h"
#include "agent/ship/encode.h"
#include "common/calendar.h"
#include "common/json.h"
#include "common/json_scan.h"

/* Servers take 100 MB a body; what a device builds in RAM is far below that, and no record is cut. */
#define BODY_BYTES_MAX   4250000
#define BODY_LINES_MAX   1000
#define RECORD_BYTES_MAX 900000
#define INDEX_MAX        255

/* Without it an answer repeats index, id and more for each record: some 200 bytes. */
#define QUERY "filter_path=errors,items.*.status,items.*.error.type"

/* ---- where to ---- */

/* An index's name may hold what an address may not: <logs-{now/d}>. */
static char *put_escaped(char *to, const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,*";

    for (; *name; name++)
        if (strchr(plain, *name))
            *to++ = *name;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*name);
    return to;
}

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    char path[3 * INDEX_MAX + sizeof "//_bulk"], *to = path;
    int rc;

    if (strlen(config->index) > INDEX_MAX)
        return -E2BIG;
    if (config->index[0]) {
        *to++ = '/';
        to = put_escaped(to, config->index);
    }
    memcpy(to, "/_bulk", sizeof "/_bulk");
    rc = lb_aim_url(config, path, QUERY, ret_target);
    if (rc == 0)
        rc = lb_aim_header(ret_target, "Content-Type", "application/x-ndjson");
    if (rc == 0)
        rc = lb_aim_auth(config, key, ret_target);
    if (rc == 0)
        rc = lb_aim_headers(config, ret_target);
    return rc;
}

/* ---- bodies ---- */

static char *begin(struct lb_composer *composer, char *to)
{
    (void)composer;
    return to;
}

/* The last document stays open, for the ranges. */
static char *add(struct lb_composer *composer, const struct lb_record *record, char *to)
{
    struct lb_encoder *encoder = composer->encoder;
    struct lb_view view;
    char *object;

    lb_encode_view(encoder, record, &view);
    if (composer->records > 0)
        to = LB_JSON_LITERAL(to, "}\n");
    to += sprintf(to, "{\"create\":{\"_id\":\"%016llx-%c-%llu\"}}\n{\"@timestamp\":\"",
                  (unsigned long long)encoder->ring_id, record->lane == LB_LANE_URGENT ? 'u' : 'r',
                  (unsigned long long)record->n);
    to = lb_calendar_stamp(
        to, view.has_stamp ? view.wall_ns : encoder->stamps.now_ns + encoder->stamps.offset_ns, 3);
    *to++ = '"';
    object = to;
    to = lb_encode_record(encoder, record, 0, to);
    *object = ','; /* its brace was opened before the stamp */
    return to - 1;
}

static char *end(struct lb_composer *composer, const struct lb_body_ranges *ranges, char *to)
{
    (void)composer;
    if (ranges) {
        to = LB_JSON_LITERAL(to, ",\"logboom_body\":");
        to = lb_encode_ranges(ranges, to);
    }
    return LB_JSON_LITERAL(to, "}\n");
}

static const struct lb_sink_format format = { begin, add, end };

/* ---- answers ---- */

/* What became of one record. */
enum fate {
    FATE_BROKEN = 0, /* the answer cannot be read */
    FATE_TAKEN,
    FATE_AGAIN,   /* later */
    FATE_FAULT,   /* of the settings, or of the server's: it says nothing of the record */
    FATE_REFUSED, /* for good */
    FATE_COUNT
};

struct item {
    long status;
    char type[64]; /* of the error, "" for none */
    bool is_update;
};

static bool is_text(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* Errors that the next record meets just the same. A closed index answers 400, as a bad document does. */
static bool is_fault_of_index(const char *type)
{
    static const char *const types[] = { "index_not_found_exception", "index_closed_exception",
                                         "invalid_index_name_exception", "cluster_block_exception" };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

static enum fate fate_of(const struct item *item)
{
    long status = item->status;

    if ((status >= 200 && status <= 299) || status == 409)
        return FATE_TAKEN;
    if (status == 408 || status == 429 || (status >= 500 && status <= 599))
        return FATE_AGAIN;
    if (status < 400 || status > 499)
        return FATE_BROKEN;
    /* Whether this key may write here is told by record as well, in an answer of status 200. */
    if (status == 401 || status == 403 || status == 404 || status == 405 || is_fault_of_index(item->type))
        return FATE_FAULT;
    return FATE_REFUSED;
}

static long number_of(const struct lb_json_member *member)
{
    long number = 0;

    if (member->kind != LB_JSON_WORD || member->value_len > 3)
        return 0;
    for (size_t i = 0; i < member->value_len; i++) {
        if (member->value[i] < '0' || member->value[i] > '9')
            return 0;
        number = number * 10 + member->value[i] - '0';
    }
    return number;
}

static void read_error(struct lb_json_scan *scan, struct item *item)
{
    struct lb_json_member member;

    lb_json_scan_open(scan);
    while (lb_json_scan_next(scan, &member))
        if (member.kind == LB_JSON_STRING && is_text(member.key, member.key_len, "type") &&
            member.value_len < sizeof item->type) {
            memcpy(item->type, member.value, member.value_len);
            item->type[member.value_len] = '\0';
        }
}

/* {"create":{"status":400,"error":{"type":"..."}}}. Returns one past it; NULL: it is something else, or cut.
 */
static const char *read_item(const char *at, const char *stop, struct item *ret_item)
{
    struct lb_json_scan scan;
    struct lb_json_member member;
    struct item item = { 0 };

    if (!lb_json_scan_begin(&scan, at, (size_t)(stop - at)) || !lb_json_scan_next(&scan, &member) ||
        member.kind != LB_JSON_OBJECT)
        return NULL;
    item.is_update = is_text(member.key, member.key_len, "update");
    if (!item.is_update && !is_text(member.key, member.key_len, "create") &&
        !is_text(member.key, member.key_len, "index"))
        return NULL;
    lb_json_scan_open(&scan);
    while (lb_json_scan_next(&scan, &member)) {
        if (is_text(member.key, member.key_len, "status"))
            item.status = number_of(&member);
        else if (is_text(member.key, member.key_len, "error") && member.kind == LB_JSON_OBJECT)
            read_error(&scan, &item);
    }
    if (scan.is_broken || lb_json_scan_next(&scan, &member) || scan.is_broken)
        return NULL;
    *ret_item = item;
    return scan.at;
}

/* The answer to a body. */
struct bulk {
    bool is_well;  /* "errors":false: nothing to look for */
    bool is_whole; /* each record's fate was read */
    unsigned items, again, faults, refused;
    struct item first;               /* items > 0 */
    struct item example[FATE_COUNT]; /* the first of each, where there is one */
};

static const char *behind_blanks(const char *at, const char *stop)
{
    while (at < stop && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

static bool count_item(struct bulk *bulk, const struct item *item, struct lb_partly *partly)
{
    enum fate fate = fate_of(item);

    if (fate == FATE_BROKEN)
        return false;
    if (bulk->items == 0)
        bulk->first = *item;
    if (bulk->example[fate].status == 0)
        bulk->example[fate] = *item;
    bulk->again += fate == FATE_AGAIN;
    bulk->faults += fate == FATE_FAULT;
    if (fate == FATE_REFUSED && bulk->refused++ < LB_PARTLY_MAX && partly)
        partly->index[partly->count++] = bulk->items;
    bulk->items++;
    return true;
}

/* at stands on the bracket. Returns whether its partner was reached. */
static bool read_items(struct bulk *bulk, const char *at, const char *stop, struct lb_partly *partly)
{
    at = behind_blanks(at + 1, stop);
    if (at < stop && *at == ']')
        return true;
    while (at < stop) {
        struct item item;

        at = read_item(at, stop, &item);
        if (!at || !count_item(bulk, &item, partly))
            return false;
        at = behind_blanks(at, stop);
        if (at < stop && *at == ']')
            return true;
        if (at == stop || *at != ',')
            return false;
        at++;
    }
    return false;
}

/*
 * Read an answer of status 200. What it says is the sink's word, so it is taken at that only where it can be
 * read to its end.
 *   partly    NULL: nobody asks which are refused; its first LB_PARTLY_MAX are told
 */
static struct bulk read_reply(const struct lb_answer *answer, struct lb_partly *partly)
{
    struct bulk bulk = { 0 };
    struct lb_json_scan scan;
    struct lb_json_member member;
    const char *items = NULL, *stop;
    bool has_errors = false;

    if (!answer->reply || !lb_json_scan_begin(&scan, answer->reply, answer->reply_len))
        return bulk;
    stop = answer->reply + answer->reply_len;
    while (lb_json_scan_next(&scan, &member)) {
        if (!has_errors && is_text(member.key, member.key_len, "errors") && member.kind == LB_JSON_WORD) {
            has_errors =
                true; /* where it is told twice the first one counts, or a cut would change the answer */
            bulk.is_well = is_text(member.value, member.value_len, "false");
            if (bulk.is_well)
                return bulk;
        } else if (!items && is_text(member.key, member.key_len, "items") && member.kind == LB_JSON_ARRAY) {
            items = member.value;
        }
    }
    if (items)
        bulk.is_whole = read_items(&bulk, items, stop, partly) && !scan.is_broken;
    return bulk;
}

static enum lb_verdict judge_bulk(const struct lb_answer *answer)
{
    struct bulk bulk = read_reply(answer, NULL);

    if (bulk.is_well)
        return LB_VERDICT_DELIVERED;
    if (bulk.again > 0)
        return LB_VERDICT_RETRY;
    if (bulk.faults > 0)
        return LB_VERDICT_PAUSE;
    if (!bulk.is_whole || bulk.items == 0)
        return bulk.refused > 0 ? LB_VERDICT_BISECT : LB_VERDICT_RETRY;
    if (bulk.refused == 0)
        return LB_VERDICT_DELIVERED;
    return bulk.refused > LB_PARTLY_MAX ? LB_VERDICT_BISECT : LB_VERDICT_PARTLY;
}

/* Answers that are not of _bulk itself. 406 is about our Content-Type, 501 about the address: no record's
 * fault. */
static enum lb_verdict judge_status(const struct lb_answer *answer)
{
    if (answer->error == 0 &&
        (answer->status == 406 || answer->status == 501 || (answer->status > 200 && answer->status <= 299)))
        return LB_VERDICT_PAUSE;
    return lb_aim_judge(answer);
}

static enum lb_verdict judge(const struct lb_answer *answer)
{
    return answer->error == 0 && answer->status == 200 ? judge_bulk(answer) : judge_status(answer);
}

/* By the record that the verdict is for: "400 mapper_parsing_exception". Names of errors are of these
 * letters. */
static void explain(const struct lb_answer *answer, char *to, size_t size)
{
    struct bulk bulk = answer->status == 200 ? read_reply(answer, NULL) : (struct bulk) { 0 };
    const struct item *item = &bulk.example[bulk.again > 0    ? FATE_AGAIN
                                            : bulk.faults > 0 ? FATE_FAULT
                                                              : FATE_REFUSED];

    to[0] = '\0';
    if (item->status && item->type[strspn(item->type, "abcdefghijklmnopqrstuvwxyz_")] == '\0')
        snprintf(to, size, "%ld %s", item->status, item->type[0] ? item->type : "for a record");
    else if (answer->status == 200 && !bulk.is_well && !bulk.is_whole)
        snprintf(to, size, "no answer of _bulk");
}

static void partly(const struct lb_answer *answer, struct lb_partly *ret_partly)
{
    *ret_partly = (struct lb_partly) { 0 };
    read_reply(answer, ret_partly);
}

/*
 * An empty body is answered by 400, as is one that _bulk does not understand: that would prove nothing. So
 * the question is to update a document that nobody has. No document is changed, and at most the index is made
 * that the first record would make; but the question was let in, unpacked and read. That it comes back as 404
 * (there is none), 400 (a data stream has no updates) or 403 (this key may only create) is as it should be.
 * GET / would ask for a privilege, cluster:monitor/main, that a key which only creates has not.
 */
#define PROBE "{\"update\":{\"_id\":\"logboom-probe\"}}\n{\"doc\":{}}\n"

static enum lb_verdict judge_probe(const struct lb_answer *answer)
{
    struct bulk bulk;

    if (answer->error || answer->status != 200)
        return judge_status(answer);
    bulk = read_reply(answer, NULL);
    if (bulk.is_well)
        return LB_VERDICT_DELIVERED;
    if (!bulk.is_whole || bulk.items != 1 || !bulk.first.is_update || bulk.again > 0)
        return LB_VERDICT_RETRY;
    return is_fault_of_index(bulk.first.type) ? LB_VERDICT_PAUSE : LB_VERDICT_DELIVERED;
}

extern const struct lb_sink lb_sink_elasticsearch;

const struct lb_sink lb_sink_elasticsearch = {
    .type = "elasticsearch",
    .transport = LB_TRANSPORT_HTTP,
    .reads_reply = true,
    .limits = { BODY_BYTES_MAX, BODY_LINES_MAX, RECORD_BYTES_MAX, false, 0 },
    .format = &format,
    .begin = "",
    .between = "",
    .end = "",
    .probe = PROBE,
    .aim = aim,
    .judge = judge,
    .judge_probe = judge_probe,
    .explain = explain,
    .partly = partly,
};
