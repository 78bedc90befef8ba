export { parserClassifier } from './classify/parser-classifier.js'
