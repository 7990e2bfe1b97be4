/* SPDX-License-Identifier: MIT */
/* What answers teach of a sink. In: a body, and whether it was taken. Out: limits and encodings of later
 * ones. */
#include "agent/ship/answers_learn.h"

#include "agent/ship/pending.h"
#include "common/log.h"

void lb_answers_learn_from(struct lb_shipper *shipper, const struct lb_body *body)
{
    struct lb_learnt *learnt = &shipper->learnt;
    bool was_on_trial = learnt->is_gzip_on_trial;

    learnt->accepted_bytes = lb_later(learnt->accepted_bytes, body->raw_bytes);
    learnt->accepted_lines = lb_later(learnt->accepted_lines, body->lines);
    learnt->rejected_in_a_row = 0;
    learnt->has_delivered = true;
    learnt->is_gzip_on_trial = false;
    if (body->compression == LB_COMPRESSION_ZSTD)
        learnt->zstd_works = true;
    if (!was_on_trial || body->compression != LB_COMPRESSION_GZIP)
        return;
    learnt->zstd_refused = true;
    lb_log(LB_LEVEL_NOTICE, "sink %s takes gzip and no zstd: gzip from now on", shipper->sink_config->name);
}

/*
 * Bodies may have been refused for their bytes or for their entries. What was larger than anything taken so
 * far is to blame.
 */
void lb_answers_learn_limits(struct lb_shipper *shipper, const struct lb_body *body)
{
    struct lb_learnt *learnt = &shipper->learnt;
    bool has_more_bytes = body->raw_bytes > learnt->accepted_bytes,
         has_more_lines = body->lines > learnt->accepted_lines;

    if (!has_more_bytes && !has_more_lines) { /* it took as much before: it has changed */
        learnt->accepted_bytes = learnt->accepted_lines = 0;
        has_more_bytes = true;
    }
    if (has_more_bytes)
        learnt->max_bytes =
            lb_earlier(learnt->max_bytes, lb_later(body->raw_bytes / 2, learnt->accepted_bytes));
    if (has_more_lines)
        learnt->max_lines =
            lb_earlier(learnt->max_lines, lb_later((body->lines + 1) / 2, learnt->accepted_lines));
    lb_log(LB_LEVEL_NOTICE,
           "sink %s finds a body of %llu records and %llu bytes too large: at most %zu and %zu from now on",
           shipper->sink_config->name, (unsigned long long)body->lines, (unsigned long long)body->raw_bytes,
           lb_pending_max_lines(shipper), lb_pending_max_bytes(shipper));
}
