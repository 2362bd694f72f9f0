# Building, testing and installing faultline. `make help` lists the targets.
B ?= build
CC ?= gcc
CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARDEN = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(HARDEN) $(SAN) -I. -I$(B)/gen -pthread
LDFLAGS ?=
ALL_LDFLAGS = $(LDFLAGS) $(SAN) -pie -Wl,-z,relro,-z,now -pthread
LIBS = -lmicrohttpd -lsqlite3 -lyaml -lz -lzstd -lcurl -lm

SOURCES = $(filter-out collector/main.c,$(wildcard collector/*.c collector/*/*.c exporters/*.c web/*.c))
OBJECTS = $(SOURCES:%.c=$(B)/obj/%.o)

$(B)/faultline: $(B)/obj/collector/main.o $(B)/libfaultline.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/libfaultline.a: $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/*/*/*.d)
