/* SPDX-License-Identifier: MIT */
/* Heads of requests. In: bytes of whoever connects. Out: a method and a path. Always true: nothing beyond len
 * is read, and what is refused once is refused with more behind it, too. */
#include "agent/control/http_request.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* What the walk over the lines has seen. */
struct head {
    struct lb_http_request request;
    bool has_line;   /* the first one, that is no header */
    bool needs_host; /* of 1.1 */
    unsigned hosts;
};

/* RFC 9110, token. */
static bool is_token(const char *text, size_t len)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
              memchr(others, c, sizeof others - 1)))
            return false;
    }
    return len > 0;
}

static bool is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

static enum lb_http_method method_of(const char *text, size_t len)
{
    if (len == 3 && memcmp(text, "GET", 3) == 0)
        return LB_HTTP_GET;
    return len == 4 && memcmp(text, "HEAD", 4) == 0 ? LB_HTTP_HEAD : LB_HTTP_OTHER;
}

/* "/path?query", or the same behind "http://host", as a proxy is asked. */
static void take_target(struct lb_http_request *request, const char *text, size_t len)
{
    static const char scheme[] = "http://", root[] = "/";
    const char *end = text + len, *query;

    if (len >= sizeof scheme - 1 && strncasecmp(text, scheme, sizeof scheme - 1) == 0) {
        text = memchr(text + sizeof scheme - 1, '/', len - (sizeof scheme - 1));
        if (!text) {
            text = root;
            end = root + 1;
        }
    }
    query = memchr(text, '?', (size_t)(end - text));
    request->path = text;
    request->path_len = (size_t)((query ? query : end) - text);
}

/* "GET /metrics HTTP/1.1" */
static bool take_request_line(struct head *head, const char *text, size_t len)
{
    static const char version[] = "HTTP/1.";
    const char *end = text + len, *target = memchr(text, ' ', len), *last;

    if (!target || !is_token(text, (size_t)(target - text)))
        return false;
    head->request.method = method_of(text, (size_t)(target - text));
    target++;
    last = memchr(target, ' ', (size_t)(end - target));
    if (!last || last == target || memchr(target, '\t', (size_t)(last - target)))
        return false;
    take_target(&head->request, target, (size_t)(last - target));
    last++;
    if ((size_t)(end - last) != sizeof version || memcmp(last, version, sizeof version - 1) != 0 ||
        (end[-1] != '0' && end[-1] != '1'))
        return false;
    head->needs_host = end[-1] == '1';
    return true;
}

static bool take_header(struct head *head, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);

    if (!colon || !is_token(text, (size_t)(colon - text)))
        return false;
    if (colon - text == 4 && strncasecmp(text, "Host", 4) == 0)
        head->hosts++;
    return head->hosts < 2;
}

/* A whole line, without its end. */
static bool take_line(struct head *head, const char *text, size_t len)
{
    if (!is_text(text, len))
        return false;
    if (head->has_line)
        return take_header(head, text, len);
    if (len == 0) /* of a request before it, as some have it */
        return true;
    head->has_line = true;
    return take_request_line(head, text, len);
}

int lb_http_request_read(const char *text, size_t len, struct lb_http_request *ret_request)
{
    struct head head = { 0 };
    size_t at = 0;

    while (at < len) {
        const char *lf = memchr(text + at, '\n', len - at);
        size_t line = (lf ? (size_t)(lf - text) : len) - at;
        bool ends_in_cr = line > 0 && text[at + line - 1] == '\r';

        if (!lf)
            return is_text(text + at, line - ends_in_cr) ? 0 : -EBADMSG;
        if (line - ends_in_cr == 0 && head.has_line) {
            if (head.needs_host && head.hosts == 0)
                return -EBADMSG;
            *ret_request = head.request;
            return (int)(at + line + 1);
        }
        if (!take_line(&head, text + at, line - ends_in_cr))
            return -EBADMSG;
        at += line + 1;
    }
    return 0;
}
