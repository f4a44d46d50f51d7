// Tampers with single fields of encoded messages, found by their descriptors and never by a list: a
// field that is added and marked critical is tampered with from that day on.
import {
  create,
  createFileRegistry,
  fromBinary,
  getOption,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf'
import type { DescField, DescMessage, UnknownField } from '@bufbuild/protobuf'
import { EmptySchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import type { FileDescriptorSet } from '@bufbuild/protobuf/wkt'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { invariant } from '#kernel/index.ts'
import { critical } from './gen/holdfast/options/v1/options_pb.js'

/** The way to a field: from the root message down, with the occurrence to take of a repeated one. */
export type FieldPath = readonly DescField[]
/** One way to tamper with a field; `apply` gets the encoded root message. */
export type Tampering = {
  readonly name: string
  readonly apply: (bytes: Uint8Array, occurrence: number) => Uint8Array
}

/** The path of every critical field that a message can carry, itself or further down. */
export function criticalPaths(root: DescMessage, way: FieldPath = []): readonly FieldPath[] {
  return root.fields.flatMap((field): readonly FieldPath[] => {
    const path = way.concat(field)
    const below = field.message ? criticalPaths(field.message, path) : []
    return isCritical(field) ? [path, ...below] : below
  })
}

const isCritical = (field: DescField): boolean => getOption(field, critical)

/** `lines.allocations.qty`. */
export function pathName(path: FieldPath): string {
  return path.map((field) => field.name).join('.')
}

/** Every tampering with one field: dropped, emptied, forgotten by a relay, and each change of it. */
export function tamperingsOf(root: DescMessage, path: FieldPath): readonly Tampering[] {
  const field = path.at(-1)
  invariant(field, 'a path has a field')
  const others = (fields: readonly UnknownField[]) =>
    fields.filter((one) => one.no !== field.number)
  const onFields = (
    name: string,
    change: (fields: readonly UnknownField[]) => readonly UnknownField[],
  ): Tampering => ({
    name,
    apply: (bytes, occurrence) => changeAt(bytes, path.slice(0, -1), occurrence, change),
  })
  return [
    onFields('dropped', others),
    onFields('emptied', (fields) => [...others(fields), defaultOf(field)]),
    { name: 'forgotten', apply: (bytes) => relayWithout(root, field, bytes) },
    ...changesOf(field).map(([name, change]) =>
      onFields(name, (fields) => changeFirst(fields, field, change)),
    ),
    ...(field.fieldKind === 'list' ? listChanges(field, onFields) : []),
  ]
}

// A message without fields knows none of those that are there.
function fieldsOf(bytes: Uint8Array): readonly UnknownField[] {
  return fromBinary(EmptySchema, bytes).$unknown ?? []
}

function joined(fields: readonly UnknownField[]): Uint8Array {
  const message = create(EmptySchema)
  message.$unknown = [...fields]
  return toBinary(EmptySchema, message)
}

// Goes down to the message that holds the field. The occurrence counts at the first step alone, where
// the records of a chunk differ; below it the first one is taken.
function changeAt(
  bytes: Uint8Array,
  way: FieldPath,
  occurrence: number,
  change: (fields: readonly UnknownField[]) => readonly UnknownField[],
): Uint8Array {
  const [step, ...rest] = way
  if (!step) return joined(change(fieldsOf(bytes)))
  let seen = -1
  const fields = fieldsOf(bytes).map((one) => {
    if (one.no !== step.number) return one
    seen += 1
    if (seen !== occurrence) return one
    return lengthDelimited(one.no, changeAt(payloadOf(one), rest, 0, change))
  })
  return joined(fields)
}

type Change = (one: UnknownField) => UnknownField

function changeFirst(
  fields: readonly UnknownField[],
  field: DescField,
  change: Change,
): readonly UnknownField[] {
  const at = fields.findIndex((one) => one.no === field.number)
  const found = fields[at]
  // What is not there is changed by giving it a value.
  return found ? fields.toSpliced(at, 1, change(found)) : [...fields, change(defaultOf(field))]
}

function changesOf(field: DescField): readonly (readonly [string, Change])[] {
  const { message } = field
  if (message) {
    const own = new Set(message.fields.filter(isCritical).map((one) => one.number))
    return own.size > 0
      ? [['changed', (one) => lengthDelimited(one.no, withoutLast(one, own))]]
      : []
  }
  if (isText(field)) {
    return [
      [
        'changed',
        (one) => lengthDelimited(one.no, Buffer.concat([payloadOf(one), Buffer.from('x')])),
      ],
      ['cut', (one) => lengthDelimited(one.no, payloadOf(one).subarray(0, -1))],
    ]
  }
  if (isBytes(field)) {
    return [
      ['changed', (one) => lengthDelimited(one.no, flipped(payloadOf(one)))],
      ['cut', (one) => lengthDelimited(one.no, payloadOf(one).subarray(0, -1))],
    ]
  }
  if (field.enum) {
    return field.enum.values.map(({ number, name }) => [
      `changed to ${name}`,
      (one) => varint(one.no, BigInt(number)),
    ])
  }
  return [
    ['changed', (one) => varint(one.no, valueOf(one) + 1n)],
    ['halved', (one) => varint(one.no, valueOf(one) / 2n)],
    ['over 31 bits', (one) => varint(one.no, valueOf(one) + 2n ** 31n)],
  ]
}

function listChanges(
  field: DescField,
  onFields: (
    name: string,
    change: (fields: readonly UnknownField[]) => readonly UnknownField[],
  ) => Tampering,
): readonly Tampering[] {
  const ours = (fields: readonly UnknownField[]) => fields.filter((one) => one.no === field.number)
  const others = (fields: readonly UnknownField[]) =>
    fields.filter((one) => one.no !== field.number)
  return [
    onFields('one less', (fields) => [...others(fields), ...ours(fields).slice(0, -1)]),
    onFields('one twice', (fields) => [...fields, ...ours(fields).slice(0, 1)]),
  ]
}

/** Decoded and encoded again by a relay whose schema lacks the field and that keeps no strangers. */
function relayWithout(root: DescMessage, field: DescField, bytes: Uint8Array): Uint8Array {
  const schema = schemaWithout(root, field)
  return toBinary(schema, fromBinary(schema, bytes, { readUnknownFields: false }), {
    writeUnknownFields: false,
  })
}

const older = new Map<string, DescMessage>()

function schemaWithout(root: DescMessage, field: DescField): DescMessage {
  const name = `${root.typeName} ${field.parent.typeName}.${field.name}`
  const known = older.get(name)
  if (known) return known
  const files: FileDescriptorSet = create(FileDescriptorSetSchema, { file: filesOf(root.file) })
  const copy = fromBinary(FileDescriptorSetSchema, toBinary(FileDescriptorSetSchema, files))
  const file = copy.file.find((one) => one.name === field.parent.file.proto.name)
  invariant(file, 'the file of the field is among those of its message')
  const below = field.parent.typeName.slice(file.package.length + 1).split('.')
  let messages = file.messageType
  let parent = messages[0]
  for (const part of below) {
    parent = messages.find((one) => one.name === part)
    messages = parent?.nestedType ?? []
  }
  invariant(parent, 'the message of the field is in its file')
  parent.field = parent.field.filter((one) => one.number !== field.number)
  // A oneof that lost its last member is no oneof.
  const used = new Set(parent.field.map((one) => one.oneofIndex))
  if (parent.oneofDecl.length === 1 && !used.has(0)) parent.oneofDecl = []
  const schema = createFileRegistry(copy).getMessage(root.typeName)
  invariant(schema, 'the message is in the older schema')
  older.set(name, schema)
  return schema
}

function filesOf(file: DescMessage['file']): FileDescriptorSet['file'] {
  const below = file.dependencies.flatMap(filesOf)
  return [...new Set([...below, file.proto])]
}

function defaultOf(field: DescField): UnknownField {
  const isDelimited = field.message !== undefined || isText(field) || isBytes(field)
  return isDelimited ? lengthDelimited(field.number, new Uint8Array()) : varint(field.number, 0n)
}

const scalarOf = (field: DescField): ScalarType | undefined =>
  field.fieldKind === 'scalar' || field.fieldKind === 'list' ? field.scalar : undefined
const isText = (field: DescField): boolean => scalarOf(field) === ScalarType.STRING
const isBytes = (field: DescField): boolean => scalarOf(field) === ScalarType.BYTES

// The data of a field that nobody knows is what follows its tag, the length included.
const payloadOf = (one: UnknownField): Uint8Array => new BinaryReader(one.data).bytes()
const valueOf = (one: UnknownField): bigint => BigInt(new BinaryReader(one.data).uint64())

function withoutLast(one: UnknownField, numbers: ReadonlySet<number>): Uint8Array {
  const fields = fieldsOf(payloadOf(one))
  const last = fields.findLastIndex(({ no }) => numbers.has(no))
  return joined(last < 0 ? [] : fields.toSpliced(last, 1))
}

function flipped(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(1)
  return bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1)
}

function lengthDelimited(no: number, bytes: Uint8Array): UnknownField {
  return {
    no,
    wireType: WireType.LengthDelimited,
    data: new BinaryWriter().bytes(bytes).finish(),
  }
}

function varint(no: number, value: bigint): UnknownField {
  const data = new BinaryWriter().uint64(BigInt.asUintN(64, value)).finish()
  return { no, wireType: WireType.Varint, data }
}
