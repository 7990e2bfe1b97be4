/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_ENCODE_OTLP_H
#define LB_SHIP_ENCODE_OTLP_H

#include "agent/ship/sinks/sink.h"

/*
 * Bodies of the otlp sink: an ExportLogsServiceRequest (facts/sinks.md section
 * 3). Records that follow each other and have service and tags in common share
 * one ResourceLogs. Tags beyond what a resource may have are counted in it.
 */
#define LB_OTLP_ATTRIBUTES_MAX 128u /* of a resource, OpenTelemetry's own limit */

extern const struct lb_sink_format lb_encode_otlp;

#endif
