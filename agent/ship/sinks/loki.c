/* SPDX-License-Identifier: MIT */
/*
 * Grafana Loki's push API (facts/sinks.md section 2): POST of JSON in gzip or plain; zstd it does not read.
 * In: settings and answers. Out: a target, what an answer means, and which records it refused.
 *
 * Loki keeps the good entries of a push that it answers with 400, so one that tells of stamps is never sent
 * again. What it says:
 *
 *     entry for stream '{..}' has timestamp too old: T, oldest acceptable timestamp is: T
 *     entry for stream '{..}' has timestamp too new: T
 *     entry with timestamp T ignored, reason: 'entry too far behind, entry timestamp is: T, oldest acceptable
 *     timestamp is: T',        (ten of these at most)
 *     user 'U', total ignored: N out of M for stream: {..}
 *
 * It speaks of one stream, and the body's others may have taken what is as old: they are told as refused too,
 * since a line that arrived and is told as lost is a lesser evil than one that is lost and not told.
 */
#include <errno.h>
#include <string.h>

#include "agent/ship/aim.h"
#include "agent/ship/encode.h"
#include "agent/ship/sinks/loki_parts.h"
#include "common/calendar.h"

/*
 * A push of more than a tenant's burst can never succeed (6 MB; a stream's 15 MB), so bodies stay well under
 * it, and lines under Loki's 256 KB.
 */
#define BODY_BYTES_MAX 900000
#define BODY_LINES_MAX 1000
#define FUTURE_MS      (10 * 60 * 1000ull)

#define NS_PER_S 1000000000ull

static int aim(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target)
{
    int rc = lb_aim_url(config, "/loki/api/v1/push", "", ret_target);

    if (rc == 0)
        rc = lb_aim_header(ret_target, "Content-Type", "application/json");
    if (rc == 0 && config->tenant[0])
        rc = lb_aim_header(ret_target, "X-Scope-OrgID", config->tenant);
    if (rc == 0)
        rc = lb_aim_auth(config, key, ret_target);
    if (rc == 0)
        rc = lb_aim_headers(config, ret_target);
    return rc;
}

/* ---- reading what an answer says: at..end, which ends without a NUL ---- */

/* What is behind the next one of these words, or NULL. */
static const char *behind(const char *at, const char *end, const char *words)
{
    const char *found = at < end ? memmem(at, (size_t)(end - at), words, strlen(words)) : NULL;

    return found ? found + strlen(words) : NULL;
}

/* So many digits as a number, and on; false: they are not there. */
static bool take_digits(const char **at, const char *end, unsigned count, unsigned *ret_number)
{
    unsigned number = 0;

    for (unsigned i = 0; i < count; i++, ++*at) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        number = number * 10 + (unsigned)(**at - '0');
    }
    *ret_number = number;
    return true;
}

static bool take_byte(const char **at, const char *end, const char *any_of)
{
    if (*at == end || **at == '\0' || !strchr(any_of, **at))
        return false;
    ++*at;
    return true;
}

/* ".123": in nanoseconds; what is finer is cut. Returns whether there is one. */
static bool take_fraction(const char **at, const char *end, uint64_t *ret_ns)
{
    uint64_t unit = NS_PER_S / 10;
    unsigned digit;

    *ret_ns = 0;
    if (!take_byte(at, end, "."))
        return false;
    for (; take_digits(at, end, 1, &digit); unit /= 10)
        *ret_ns += digit * unit;
    return true;
}

/* "Z", "+01:00", " +0100": seconds east. */
static bool take_offset(const char **at, const char *end, int64_t *ret_s)
{
    unsigned hours, minutes;
    bool is_west;

    *ret_s = 0;
    if (take_byte(at, end, "Zz"))
        return true;
    take_byte(at, end, " ");
    if (*at == end)
        return false;
    is_west = **at == '-';
    if (!take_byte(at, end, "+-") || !take_digits(at, end, 2, &hours))
        return false;
    take_byte(at, end, ":");
    if (!take_digits(at, end, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_s = (int64_t)(hours * 3600 + minutes * 60) * (is_west ? -1 : 1);
    return true;
}

/* A time of RFC 3339, or as Go prints one (a blank for the T, and before the offset), and whether it has a
 * fraction: without one it is cut to the second. false: it is none between 1971 and 2500. */
static bool read_time(const char *at, const char *end, uint64_t *ret_ns, bool *ret_is_exact)
{
    unsigned year, month, day, hour, minute, second;
    uint64_t fraction_ns;
    int64_t offset_s;

    if (!at || !take_digits(&at, end, 4, &year) || !take_byte(&at, end, "-") ||
        !take_digits(&at, end, 2, &month) || !take_byte(&at, end, "-") || !take_digits(&at, end, 2, &day) ||
        !take_byte(&at, end, "Tt ") || !take_digits(&at, end, 2, &hour) || !take_byte(&at, end, ":") ||
        !take_digits(&at, end, 2, &minute) || !take_byte(&at, end, ":") || !take_digits(&at, end, 2, &second))
        return false;
    *ret_is_exact = take_fraction(&at, end, &fraction_ns);
    if (!take_offset(&at, end, &offset_s) || year < 1971 || year > 2500 || month < 1 || month > 12 ||
        day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_ns = (uint64_t)(lb_calendar_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second -
                         offset_s) *
                  NS_PER_S +
              fraction_ns;
    return true;
}

/* ---- which records were refused ---- */

/*
 * The time before which all is refused: the latest that is told. One without a fraction was cut to the
 * second, and what is refused may be up to a second later.
 */
static uint64_t oldest_taken(const char *at, const char *end)
{
    uint64_t latest_ns = 0, ns;
    bool is_exact;

    while ((at = behind(at, end, "oldest acceptable timestamp is: "))) {
        if (!read_time(at, end, &ns, &is_exact))
            continue;
        ns += is_exact ? 0 : NS_PER_S;
        latest_ns = ns > latest_ns ? ns : latest_ns;
    }
    return latest_ns;
}

/* The time from which on all is refused: of the stamps that are told the earliest. */
static uint64_t oldest_too_new(const char *at, const char *end)
{
    uint64_t first_ns = 0, ns;
    bool is_exact;

    while ((at = behind(at, end, "timestamp too new: ")))
        if (read_time(at, end, &ns, &is_exact))
            first_ns = first_ns == 0 || ns < first_ns ? ns : first_ns;
    return first_ns / LB_UNIQUE_NS *
           LB_UNIQUE_NS; /* a record's own time is finer than its stamp by less than that */
}

/* N of "total ignored: N out of M", of all that are told. */
static uint64_t total_ignored(const char *at, const char *end, unsigned *ret_tellings)
{
    uint64_t total = 0;

    *ret_tellings = 0;
    while ((at = behind(at, end, "total ignored: "))) {
        uint64_t number = 0;
        unsigned digit;

        while (number < UINT32_MAX && take_digits(&at, end, 1, &digit))
            number = number * 10 + digit;
        total += number;
        ++*ret_tellings;
    }
    return total;
}

/* Where each that was ignored is told by its stamp: just behind the newest of them. 0: it is not so. */
static uint64_t behind_all_named(const char *at, const char *end)
{
    unsigned tellings;
    uint64_t total = total_ignored(at, end, &tellings), named = 0, newest_ns = 0, ns;
    bool is_exact;

    while ((at = behind(at, end, "entry with timestamp "))) {
        if (!read_time(at, end, &ns, &is_exact))
            return 0;
        newest_ns = ns > newest_ns ? ns : newest_ns;
        named++;
    }
    return tellings == 1 && named == total ? (newest_ns / LB_UNIQUE_NS + 1) * LB_UNIQUE_NS : 0;
}

static void partly(const struct lb_answer *answer, struct lb_partly *ret_partly)
{
    const char *at = answer->reply, *end = at + answer->reply_len;
    uint64_t named_ns;
    unsigned tellings;

    *ret_partly = (struct lb_partly) { 0 };
    if (!at)
        end = at = "";
    ret_partly->before_ns = oldest_taken(at, end);
    ret_partly->from_ns = oldest_too_new(at, end);
    named_ns = behind_all_named(at, end);
    if (named_ns > 0 && named_ns < ret_partly->before_ns)
        ret_partly->before_ns = named_ns;
    if (ret_partly->before_ns > 0 || ret_partly->from_ns > 0)
        return;
    ret_partly->unknown = total_ignored(at, end, &tellings);
    if (ret_partly->unknown == 0)
        ret_partly->unknown = 1;
}

/* ---- what answers mean ---- */

static bool says(const struct lb_answer *answer, const char *words)
{
    return answer->reply && behind(answer->reply, answer->reply + answer->reply_len, words);
}

/* Does a 400 tell of entries that it leaves out, while it keeps the others? */
static bool is_about_some(const struct lb_answer *answer)
{
    static const char *const words[] = { "timestamp too old", "timestamp too new", "too far behind",
                                         "oldest acceptable timestamp is: ", "total ignored: " };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (says(answer, words[i]))
            return true;
    return false;
}

/*
 * Does a 400 tell that Loki would take no record at all as things are? It has no tenant (others say 401), it
 * was told to take no structured metadata, or fewer labels than we have. An empty push would pass it: each
 * record would be found to be at fault, one after the other.
 */
static bool is_about_settings(const struct lb_answer *answer)
{
    return says(answer, "no org id") || says(answer, "structured metadata, but this feature is disallowed") ||
           says(answer, " label names; limit ");
}

/*
 * The answer to a push that is done is 204, and 200 from what stands before Loki. Any other 2xx is no
 * promise: 260 is what a Loki says whose operator has blocked ingestion, and then it has thrown the lines
 * away.
 */
static enum lb_verdict judge(const struct lb_answer *answer)
{
    if (answer->error || answer->is_clock_fault)
        return lb_aim_judge(answer);
    if (answer->status >= 200 && answer->status <= 299)
        return answer->status == 200 || answer->status == 204 ? LB_VERDICT_DELIVERED : LB_VERDICT_PAUSE;
    if (answer->status == 400 && is_about_settings(answer))
        return LB_VERDICT_PAUSE;
    if (answer->status == 400 && is_about_some(answer))
        return LB_VERDICT_PARTLY;
    return lb_aim_judge(answer);
}

/*
 * A push of no streams: 204 of Lokis before 3.2, and since then 422, "error at least one valid stream is
 * required for ingestion". It has passed the gateway and the tenant by then, which is all that is asked. That
 * 422 counts for an empty body only: the same for one that has lines means that they were not taken. (GET
 * /ready would tell nothing of key and tenant, and Grafana Cloud has none.)
 */
static enum lb_verdict judge_probe(const struct lb_answer *answer)
{
    if (!answer->error && answer->status == 422 && says(answer, "at least one valid stream"))
        return LB_VERDICT_DELIVERED;
    return judge(answer);
}

#define WORDS_MAX 100 /* of a refusal that are told */

/*
 * What a refusal begins with, up to what is no plain text: without that nobody could tell what is to be
 * changed. Not where the key is what it is about: who refuses one may repeat it.
 */
static void explain(const struct lb_answer *answer, char *to, size_t size)
{
    size_t len = 0;

    while ((answer->status == 400 || answer->status == 422) && len < answer->reply_len && len < WORDS_MAX &&
           len + 1 < size && answer->reply[len] >= ' ' && answer->reply[len] <= '~') {
        to[len] = answer->reply[len];
        len++;
    }
    to[len] = '\0';
}

extern const struct lb_sink lb_sink_loki;

const struct lb_sink lb_sink_loki = {
    .type = "loki",
    .transport = LB_TRANSPORT_HTTP,
    .reads_reply = true,
    .limits = { BODY_BYTES_MAX, BODY_LINES_MAX, LB_LOKI_LINE_MAX, true, FUTURE_MS },
    .format = &lb_loki_format,
    .probe = "{\"streams\":[]}",
    .aim = aim,
    .judge = judge,
    .judge_probe = judge_probe,
    .explain = explain,
    .partly = partly,
};
