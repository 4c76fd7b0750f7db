'use strict'
// Copies the addon from cargo's directory to where lib/native.cjs looks for it, stripped if that
// can be done.

const { copyFileSync, rmSync } = require('node:fs')
const { spawnSync } = require('node:child_process')
const path = require('node:path')

const names = { win32: 'libmqtt_node.dll', darwin: 'liblibmqtt_node.dylib' }
const from = path.join(process.argv[2], names[process.platform] ?? 'liblibmqtt_node.so')
const musl = !process.report.getReport().header.glibcVersionRuntime
const libc = process.platform === 'linux' ? (musl ? '-musl' : '-gnu') : ''
const to = path.join(__dirname, `libmqtt.${process.platform}-${process.arch}${libc}.node`)
// A new file: one that a process has loaded must not change under it.
rmSync(to, { force: true })
copyFileSync(from, to)
if (process.platform === 'linux') spawnSync('strip', ['--strip-debug', to])
