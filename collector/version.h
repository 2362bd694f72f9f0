/* version.h - this program's version, by semver.org. */
#ifndef COLLECTOR_VERSION_H
#define COLLECTOR_VERSION_H

#define FAULTLINE_VERSION "0.1.0"
#ifndef FAULTLINE_REVISION
#define FAULTLINE_REVISION "unknown"
#endif

#endif
