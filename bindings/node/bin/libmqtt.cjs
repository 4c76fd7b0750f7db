#!/usr/bin/env node
'use strict'
// The command: libmqtt broker | pub | sub | passwd.

const native = require('../lib/native.cjs')

process.exitCode = native.runCommand(['libmqtt', ...process.argv.slice(2)])
