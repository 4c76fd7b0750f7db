'use strict'
// Certificates for the tests, made with openssl.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { execFileSync } = require('node:child_process')

const SERVER = 'DNS:localhost,IP:127.0.0.1'

// A folder that goes with the test.
function folder (t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'libmqtt-'))
  t.after(() => fs.rmSync(made, { recursive: true, force: true }))
  return made
}

class Authority {
  constructor (directory, name = 'authority') {
    this.directory = directory
    this.name = name
    this.file = (kind, of = name) => path.join(directory, `${of}.${kind}`)
    this._openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
      '-nodes', '-keyout', this.file('key'), '-out', this.file('pem'), '-days', '2',
      '-subj', `/CN=${name}`)
    this.pem = fs.readFileSync(this.file('pem'), 'utf8')
  }

  _openssl (...words) {
    execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.directory })
  }

  _ca (...words) {
    const config = this.file('cnf')
    if (!fs.existsSync(config)) {
      fs.writeFileSync(this.file('index'), '')
      fs.writeFileSync(this.file('crlnumber'), '01\n')
      fs.writeFileSync(config, [
        '[ca]', 'default_ca=own', '[own]', `database=${this.file('index')}`,
        `new_certs_dir=${this.directory}`, `serial=${this.file('serial')}`, 'default_md=sha256', 'default_crl_days=1',
        `crlnumber=${this.file('crlnumber')}`, 'crl_extensions=list', 'unique_subject=no', 'policy=any',
        '[any]', 'commonName=supplied', '[list]', 'authorityKeyIdentifier=keyid:always'
      ].join('\n'))
    }
    this._openssl('ca', '-config', config, '-cert', this.file('pem'), '-keyfile', this.file('key'), ...words)
  }

  // A certificate for `names`, and its key: their texts and files.
  issue (name, { names = SERVER, usage = 'serverAuth', expired = false, selfSigned = false } = {}) {
    const file = (kind) => this.file(kind, name)
    fs.writeFileSync(file('ext'), [
      'basicConstraints=CA:FALSE', `extendedKeyUsage=${usage}`, `subjectAltName=${names}`
    ].join('\n'))
    this._openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
      '-nodes', '-keyout', file('key'), '-out', file('csr'), '-subj', `/CN=${name}`)
    if (selfSigned) {
      this._openssl('x509', '-req', '-in', file('csr'), '-signkey', file('key'), '-out', file('pem'),
        '-days', '1', '-extfile', file('ext'))
    } else {
      const time = expired ? ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z'] : ['-days', '1']
      this._ca('-batch', '-notext', '-in', file('csr'), '-out', file('pem'), ...time,
        '-extfile', file('ext'), '-create_serial')
    }
    return {
      cert: fs.readFileSync(file('pem'), 'utf8'),
      key: fs.readFileSync(file('key'), 'utf8'),
      certFile: file('pem'),
      keyFile: file('key')
    }
  }

  // A list of revoked certificates with these in it.
  revoke (...issued) {
    for (const { certFile } of issued) this._ca('-revoke', certFile)
    this._ca('-gencrl', '-out', this.file('crl'))
    return fs.readFileSync(this.file('crl'), 'utf8')
  }

  // The key, encrypted.
  encrypted ({ keyFile }, passphrase) {
    const out = `${keyFile}.encrypted`
    this._openssl('pkcs8', '-topk8', '-in', keyFile, '-out', out, '-passout', `pass:${passphrase}`)
    return fs.readFileSync(out, 'utf8')
  }
}

module.exports = { Authority, folder }
