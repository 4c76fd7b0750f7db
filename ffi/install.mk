# Installs libmqtt for C and C++: libraries, headers, pkg-config and CMake packages.
#
#   make install PREFIX=/usr/local DESTDIR=

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BUILT = $(or $(CARGO_TARGET_DIR),target)/release
VERSION = $(shell sed -n 's/^version = "\([0-9.]*\)"$$/\1/p' Cargo.toml)
SONAME = $(firstword $(subst ., ,$(VERSION)))
FILL = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
  -e 's|@VERSION@|$(VERSION)|' -e 's|@SONAME@|$(SONAME)|' \
  -e "s|@INCLUDE_FROM_CMAKE@|$$(realpath -ms --relative-to=$(LIBDIR)/cmake/libmqtt $(INCLUDEDIR))|"

.PHONY: install
install: ## libmqtt for C and C++ into PREFIX
	$(or $(CARGO),cargo) build --release --locked -p libmqtt
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/libmqtt $(DESTDIR)$(INCLUDEDIR)
	install -m 755 $(BUILT)/libmqtt.so $(DESTDIR)$(LIBDIR)/libmqtt.so.$(VERSION)
	install -m 644 $(BUILT)/libmqtt.a $(DESTDIR)$(LIBDIR)/libmqtt.a
	strip --strip-debug $(DESTDIR)$(LIBDIR)/libmqtt.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libmqtt.a
	ln -sf libmqtt.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libmqtt.so.$(SONAME)
	ln -sf libmqtt.so.$(SONAME) $(DESTDIR)$(LIBDIR)/libmqtt.so
	install -m 644 include/libmqtt.h include/libmqtt.hpp $(DESTDIR)$(INCLUDEDIR)
	$(FILL) ffi/package/libmqtt.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/libmqtt.pc
	$(FILL) ffi/package/libmqttConfig.cmake.in > $(DESTDIR)$(LIBDIR)/cmake/libmqtt/libmqttConfig.cmake
	$(FILL) ffi/package/libmqttConfigVersion.cmake.in > $(DESTDIR)$(LIBDIR)/cmake/libmqtt/libmqttConfigVersion.cmake
