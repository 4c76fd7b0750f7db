'use strict'
// Loads the addon: the file that LIBMQTT_NATIVE names, or the one beside the package's code.

const path = require('node:path')

function libc () {
  if (process.platform !== 'linux') return ''
  return process.report.getReport().header.glibcVersionRuntime ? '-gnu' : '-musl'
}

function load () {
  if (process.env.LIBMQTT_NATIVE) return require(path.resolve(process.env.LIBMQTT_NATIVE))
  const file = `libmqtt.${process.platform}-${process.arch}${libc()}.node`
  try {
    return require(path.join(__dirname, '..', file))
  } catch (cause) {
    const why = `libmqtt: ${file} cannot be loaded; 'npm run build' in bindings/node makes it`
    throw new Error(why, { cause })
  }
}

module.exports = load()
