/* SPDX-License-Identifier: MIT */
/* Replies. In: header lines and lengths as they arrive, what libcurl measured. Out: an answer. Always true:
 * no more than a fixed part of a reply is kept; what it says is for who judges it, and not shown. */
#include "agent/ship/http_reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/clock.h"

#define BODY_MAX 65536u /* of a reply's body; more is not read, the status is what counts */
#define HEAD_MAX 65536u /* of a reply's head; more is a fault */
/* Of openssl/x509_vfy.h, which is not needed else: X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED. */
#define SECURE_NOT_YET_VALID 9
#define SECURE_HAS_EXPIRED   10

/* Keep the value of a header if the line is that header's. */
static void keep_header(const char *line, size_t len, const char *name, char value[LB_HTTP_VALUE_MAX])
{
    size_t name_len = strlen(name);

    if (len <= name_len || strncasecmp(line, name, name_len) != 0)
        return;
    line += name_len;
    len -= name_len;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && memchr("\r\n \t", line[len - 1], 4))
        len--;
    if (len >= LB_HTTP_VALUE_MAX)
        len = 0;
    memcpy(value, line, len);
    value[len] = '\0';
}

bool lb_http_reply_header(struct lb_http_reply *reply, const char *line, size_t len)
{
    reply->head_bytes += len;
    if (reply->head_bytes > HEAD_MAX)
        return false;
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) /* of a new answer: a 100 may have come before */
        reply->date[0] = reply->retry_after[0] = '\0';
    keep_header(line, len, "Date:", reply->date);
    keep_header(line, len, "Retry-After:", reply->retry_after);
    return true;
}

static void keep_text(struct lb_http_reply *reply, const char *bytes, size_t len)
{
    char *longer = realloc(reply->text, reply->text_len + len);

    if (!longer)
        return;
    memcpy(longer + reply->text_len, bytes, len);
    reply->text = longer;
    reply->text_len += len;
}

bool lb_http_reply_body(struct lb_http_reply *reply, const char *bytes, size_t len)
{
    reply->body_bytes += len;
    if (reply->body_bytes > BODY_MAX)
        return false;
    if (reply->is_wanted && len > 0)
        keep_text(reply, bytes, len);
    return true;
}

void lb_http_reply_end(struct lb_http_reply *reply)
{
    free(reply->text);
    reply->text = NULL;
    reply->text_len = 0;
}

/*
 * Retry-After, in seconds or as a date. A date is the server's, so it is set against the server's own Date
 * where it sent one; CURLINFO_RETRY_AFTER would take our clock, and may be negative (facts 9).
 */
uint64_t lb_http_reply_retry_after_ms(const struct lb_http_reply *reply)
{
    const char *value = reply->retry_after;
    time_t at, now;
    uint64_t seconds;
    char *end;

    if (value[0] >= '0' && value[0] <= '9') {
        errno = 0;
        seconds = strtoull(value, &end, 10);
        return errno || *end || seconds > UINT32_MAX ? 0 : seconds * 1000;
    }
    at = value[0] ? curl_getdate(value, NULL) : -1;
    now = reply->date[0] ? curl_getdate(reply->date, NULL) : -1;
    if (now < 0)
        now = (time_t)(lb_clock_wall_ns() / LB_NS_PER_S);
    return at > now ? (uint64_t)(at - now) * 1000 : 0;
}

static void read_steps(CURL *easy, struct lb_answer_steps *steps)
{
    curl_off_t resolved = 0, connected = 0, secured = 0, answered = 0;
    char *address = NULL;

    curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &secured);
    curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &answered);
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
    steps->resolved_us = (uint64_t)resolved;
    steps->connected_us = connected > resolved ? (uint64_t)(connected - resolved) : 0;
    steps->secured_us = secured > connected ? (uint64_t)(secured - connected) : 0;
    if (secured < connected)
        secured = connected;
    steps->answered_us = answered > secured ? (uint64_t)(answered - secured) : 0;
    snprintf(steps->address, sizeof steps->address, "%s", address ? address : "");
}

static void count_wire(CURL *easy, struct lb_answer *answer)
{
    curl_off_t sent = 0;
    long head = 0;

    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &head);
    /* The "request size" holds the body too where libcurl sent both in one go, as it does up to 64 KiB
     * (measured). */
    answer->wire_bytes = (size_t)head >= (size_t)sent ? (size_t)head : (size_t)sent + (size_t)head;
}

/* What a client sends for a handshake, and what each record of up to 16 KiB adds (RFC 8446, 5.2). */
#define TLS_HANDSHAKE_BYTES 800u
#define TLS_RECORD_ADDS     22u
#define TLS_RECORD_BYTES    16384u

static void count_link(CURL *easy, const struct lb_answer_steps *steps, struct lb_answer *answer)
{
    long connects = 0;
    curl_off_t secured_us = 0;
    char *scheme = NULL;

    answer->link_bytes = answer->wire_bytes;
    curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &secured_us);
    if (!scheme || strcasecmp(scheme, "https") != 0 || steps->connected_us + (uint64_t)secured_us == 0)
        return;
    if (answer->wire_bytes > 0)
        answer->link_bytes += (answer->wire_bytes / TLS_RECORD_BYTES + 1) * TLS_RECORD_ADDS;
    answer->link_bytes += (size_t)connects * TLS_HANDSHAKE_BYTES;
}

/* Is the certificate good but for the time? Then it may be our clock that is wrong. */
static bool is_clock_fault(CURL *easy, CURLcode code)
{
    long verdict = 0;

    if (code != CURLE_PEER_FAILED_VERIFICATION)
        return false;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    return verdict == SECURE_NOT_YET_VALID || verdict == SECURE_HAS_EXPIRED;
}

static enum lb_answer_step broken_step(CURLcode code, const struct lb_answer_steps *steps)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return LB_STEP_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return LB_STEP_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return LB_STEP_SECURE;
    default: /* a timeout may be in any of them */
        return steps->resolved_us == 0    ? LB_STEP_RESOLVE
               : steps->connected_us == 0 ? LB_STEP_CONNECT
                                          : LB_STEP_ANSWER;
    }
}

void lb_http_reply_judge(const struct lb_http_reply *reply, CURL *easy, CURLcode code, const char *error,
                         struct lb_answer *ret_answer)
{
    bool is_endless = reply->head_bytes > HEAD_MAX;
    time_t date = reply->is_secure && reply->date[0] ? curl_getdate(reply->date, NULL) : -1;

    *ret_answer = (struct lb_answer) { .error = (int)code };
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret_answer->status);
    count_wire(easy, ret_answer);
    read_steps(easy, &ret_answer->steps);
    count_link(easy, &ret_answer->steps, ret_answer);
    if (code == CURLE_WRITE_ERROR && ret_answer->status >= 200 && !is_endless)
        ret_answer->error = 0; /* we stopped reading a reply that was too long; its status had come */
    if (ret_answer->error) {
        ret_answer->is_clock_fault = is_clock_fault(easy, code);
        ret_answer->broken = broken_step(code, &ret_answer->steps);
        snprintf(ret_answer->text, sizeof ret_answer->text, "%s",
                 is_endless ? "the head of its answer has no end"
                 : error[0] ? error
                            : curl_easy_strerror(code));
        return;
    }
    ret_answer->date_s = date > 0 ? (uint64_t)date : 0;
    ret_answer->reply = reply->text;
    ret_answer->reply_len = reply->text_len;
    ret_answer->retry_after_ms = lb_http_reply_retry_after_ms(reply);
    snprintf(ret_answer->text, sizeof ret_answer->text, "HTTP status %ld", ret_answer->status);
}
