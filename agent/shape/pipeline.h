/* SPDX-License-Identifier: MIT */
#ifndef LB_SHAPE_PIPELINE_H
#define LB_SHAPE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/config.h"
#include "common/proto.h"

/*
 * The fixed order of the shaping steps (design.md, shape). Each step is a
 * function of (line, its own state, settings); this file alone knows all of
 * them.
 */
enum lb_shape_verdict { LB_SHAPE_QUEUE = 0, LB_SHAPE_DROP_BLANK };

struct lb_shape_input {
    const struct iovec *piece; /* the line without its end, as it lies in staging */
    unsigned pieces;
    uint32_t body_len;
    enum lb_stream_kind kind;
};

struct lb_shape_output {
    enum lb_shape_verdict verdict;
    enum lb_level severity;
};

/*
 * Shape one line.
 *   settings  of the line's service
 *   ret_out   filled in
 *   calls     fast side, offline modes; no allocation, no clock
 */
void lb_shape_line(const struct lb_capture_config *settings, const struct lb_shape_input *in,
                   struct lb_shape_output *ret_out);

#endif
