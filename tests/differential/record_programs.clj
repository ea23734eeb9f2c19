;; Runs every program of the file named first and writes what each prints into the file
;; named second. See programs.py and record_programs.py.
(ns programs.recording
  (:require [clojure.string :as str]
            [clojure.test])
  (:import [clojure.lang LineNumberingPushbackReader]
           [java.io StringReader StringWriter]))

(def seconds 20)

(defn run [text]
  (let [out (StringWriter.)
        reader (LineNumberingPushbackReader. (StringReader. text))
        end (Object.)]
    (remove-ns 'user)
    (binding [*ns* (create-ns 'user), *out* out, *print-namespace-maps* false
              *data-readers* *data-readers*, *warn-on-reflection* false
              *unchecked-math* false, *command-line-args* nil
              *print-length* nil, *print-level* nil]
      (refer 'clojure.core)
      (try
        (loop []
          (let [form (read {:eof end :read-cond :allow} reader)]
            (when-not (identical? form end)
              (eval form)
              (recur))))
        (catch Throwable error
          (let [text (str out)]
            (when-not (or (= text "") (str/ends-with? text "\n")) (println)))
          (let [cause (loop [e error] (if-let [c (.getCause e)] (recur c) e))]
            (println "!" (.getSimpleName (class cause)) (first (str/split-lines (str (.getMessage cause)))))))))
    (let [text (str out)]
      (if (or (= text "") (str/ends-with? text "\n")) text (str text "\n")))))

(defn answer [text]
  (let [result (promise)
        thread (Thread. nil #(deliver result (run text)) "program" (* 512 1024 1024))]
    (.setDaemon thread true)
    (.start thread)
    (deref result (* 1000 seconds) "! Timeout\n")))

(defn programs [text]
  (map rest (re-seq #"(?s);;;; (\S+)\n(.*?)(?=;;;; \S+\n|\z)" text)))

(doseq [[in out] (partition 2 *command-line-args*)]
  (with-open [writer (clojure.java.io/writer out)]
    (doseq [[title text] (programs (slurp in))]
      (.write writer (str ";;;; " title "\n" (answer text))))))
(shutdown-agents)
(System/exit 0)
