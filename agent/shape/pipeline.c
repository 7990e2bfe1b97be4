/* SPDX-License-Identifier: MIT */
/* The order of the shaping steps. In: one line as pieces. Out: what becomes of it. Same input, same output.
 */
#include "agent/shape/pipeline.h"

#include <string.h>

#include "agent/shape/severity.h"

/* The line's beginning in one piece: as it lies, or copied to buf when it lies in several. */
static const char *beginning(const struct lb_shape_input *in, char *buf, size_t size, size_t *ret_len)
{
    size_t len = 0;

    if (in->pieces == 1 || (in->pieces > 1 && in->piece[0].iov_len >= size)) {
        *ret_len = in->piece[0].iov_len;
        return in->piece[0].iov_base;
    }
    for (unsigned i = 0; i < in->pieces && len < size; i++) {
        size_t part = in->piece[i].iov_len < size - len ? in->piece[i].iov_len : size - len;

        memcpy(buf + len, in->piece[i].iov_base, part);
        len += part;
    }
    *ret_len = len;
    return buf;
}

static enum lb_level default_level(const struct lb_capture_config *settings, enum lb_stream_kind kind)
{
    return kind == LB_STREAM_STDERR ? settings->stderr_level : settings->stdout_level;
}

void lb_shape_line(const struct lb_capture_config *settings, const struct lb_shape_input *in,
                   struct lb_shape_output *ret_out)
{
    char buf[LB_SEVERITY_LOOK];
    size_t len;
    const char *text;
    int level;

    if (in->body_len == 0) {
        *ret_out = (struct lb_shape_output) { .verdict = LB_SHAPE_DROP_BLANK };
        return;
    }
    text = beginning(in, buf, sizeof buf, &len);
    level = lb_severity_of(text, len);
    ret_out->verdict = LB_SHAPE_QUEUE;
    ret_out->severity = level >= 0 ? (enum lb_level)level : default_level(settings, in->kind);
}
