/* SPDX-License-Identifier: MIT */
/* What runs short, printed. In: quotas as they stand, the ladders' steps. Out: JSON, or a line for a person.
 */
#include "agent/control/status_short.h"

#include "common/clock.h"
#include "common/units.h"

#define DAY_SECONDS 86400.0

void lb_status_print_quota(const struct lb_quota_view *view, FILE *out)
{
    if (!view->is_on) {
        fputs("null", out);
        return;
    }
    fprintf(out, "{\"window\":\"%s\",\"limit\":%llu,\"spent\":%llu,\"left\":%llu,",
            lb_quota_window_name(view->quota.window), (unsigned long long)view->quota.bytes,
            (unsigned long long)view->spent, (unsigned long long)view->left);
    if (view->ends_ms)
        fprintf(out, "\"ends_s\":%llu", (unsigned long long)(view->ends_ms / 1000));
    else
        fputs("\"ends_s\":null", out);
    fprintf(out, ",\"step\":%u}", view->step);
}

static void look(const struct lb_status_source *source, uint64_t now_ns, struct lb_quota_view *ret_view)
{
    lb_shortage_view(source->capture, LB_METER_ALL, &source->config->quota, now_ns, ret_view);
}

void lb_status_print_short(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    uint64_t per_day = source->config->link_bytes_per_day;
    struct lb_quota_view view;

    look(source, now_ns, &view);
    fputs("\"network\":{\"quota\":", out);
    lb_status_print_quota(&view, out);
    if (per_day == LB_OFF)
        fputs(",\"rate\":null}", out);
    else
        fprintf(out, ",\"rate\":%.0f}", (double)per_day / DAY_SECONDS);
    fprintf(out, ",\"pressure\":{\"step\":%u}", lb_shortage_pressure(source->capture));
}

void lb_status_print_short_text(const struct lb_status_source *source, uint64_t now_ns, FILE *out)
{
    unsigned pressure = lb_shortage_pressure(source->capture);
    char limit[32], spent[32];
    struct lb_quota_view view;

    look(source, now_ns, &view);
    if (view.is_on)
        fprintf(out, "\nquota %s of %s spent this %s: %s\n",
                lb_units_print_human(view.spent, spent, sizeof spent),
                lb_units_print_human(view.quota.bytes, limit, sizeof limit),
                lb_quota_window_name(view.quota.window), lb_squeeze_quota_text(view.step));
    if (pressure > 0)
        fprintf(out, "\npressure: %s\n", lb_squeeze_pressure_text(pressure));
}
