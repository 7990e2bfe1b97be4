/* SPDX-License-Identifier: MIT */
/* Requests, carried out. In: what is asked, by name. Out: text, or a wish to the fast side. Always true:
 * nothing here waits, and nothing that is asked names a file. */
#include "agent/control/request.h"

#include <stdlib.h>
#include <string.h>

#include "agent/control/status_wear.h"
#include "agent/control/wear_print.h"
#include "agent/control/wear_side.h"
#include "agent/wear/report.h"
#include "common/clock.h"
#include "common/proto.h"

const char *lb_request_service(const struct lb_state *state, const char *service, uint32_t *ret_row)
{
    size_t len = strlen(service);
    uint32_t row;

    if (!lb_service_name_is_legal(service, len))
        return "that cannot be the name of a service";
    row = lb_state_find_service(state, service, len, LB_SERVICES_BOOKS);
    if (row == LB_SERVICES_BOOKS - 1)
        return "no service of this name was heard of";
    *ret_row = row;
    return NULL;
}

const char *lb_request_context(struct lb_link *link, const struct lb_state *state, const char *service)
{
    uint32_t row;
    const char *why = lb_request_service(state, service, &row);

    if (why)
        return why;
    if (lb_link_get(&link->context_done) != lb_link_get(&link->context_asked))
        return "another wish for context is under way";
    memcpy(link->context_service, service, strlen(service) + 1);
    lb_link_put(&link->context_asked, lb_link_get(&link->context_asked) + 1);
    return NULL;
}

void lb_request_status(const struct lb_status_source *source, const char *form, uint64_t now_ns, FILE *out)
{
    if (strcmp(form, "json") == 0)
        lb_status_print_json(source, now_ns, out);
    else
        lb_status_print_text(source, now_ns, out);
}

const char *lb_request_wear(const struct lb_status_source *source, const char *form, uint64_t now_ns,
                            FILE *out)
{
    struct lb_wear_view *view = source->wear ? lb_wear_side_view(source->wear) : NULL;
    uint64_t hangs_s;

    if (!view)
        return source->config->wear_sample_ms ? "out of memory"
                                              : "wear is not looked at: [wear] sample is off";
    lb_status_fill_wear(source, now_ns, view);
    hangs_s = lb_wear_side_hangs_ns(source->wear, now_ns) / LB_NS_PER_S;
    if (strcmp(form, "json") == 0)
        lb_wear_print_json(view, now_ns, hangs_s, out);
    else if (strcmp(form, "html") == 0)
        lb_report_print(view, out);
    else
        lb_wear_print_text(view, now_ns, hangs_s, out);
    free(view);
    return NULL;
}
